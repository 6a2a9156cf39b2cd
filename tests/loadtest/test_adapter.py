import subprocess
import sys
from pathlib import Path

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.targets.adapter import Adapter, FinishedAnswer, read_adapter

GOOD = """\
name: my-chat
url: ws://127.0.0.1:8000/ws/{session_id}?after={after}
headers: {Authorization: "Bearer ${TOKEN}"}
send:
  - {type: join, session: "{session_id}", after: "{after}"}
frames:
  - is: history
    when: {type: history}
    each: messages
    index: index
    seq: seq
    text: text
  - is: end
    when: {"@data": "[DONE]"}
resume: {by: query, value: seq}
produce: {payload: {i: "{index}"}}
"""


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")


def read(folder: Path, text: str, name: str = "a.yaml") -> Adapter:
    file = folder / name
    file.write_text(text)
    return read_adapter(file)


def refused(folder: Path, text: str, name: str = "a.yaml") -> str:
    """The line without the file's name, which every one begins with."""
    with pytest.raises(UsageError) as caught:
        read(folder, text, name)
    line = str(caught.value)
    assert line.startswith(f"{folder / name}: ")
    assert "\n" not in line
    return line.removeprefix(f"{folder / name}: ")


def test_what_is_written_is_read_and_the_rest_has_its_default(tmp_path: Path) -> None:
    adapter = read(tmp_path, GOOD)
    assert adapter.name == "my-chat"
    assert [rule.kind for rule in adapter.frames] == ["history", "end"]
    assert adapter.frames[1].when == {"@data": "[DONE]"}
    assert (adapter.method, adapter.framing, adapter.first_after) == ("GET", "json", "0")
    assert adapter.tls.verify
    assert adapter.resume is not None
    assert adapter.resume.value == "seq"
    assert adapter.produce is not None
    assert adapter.produce.write == ("publish_then_save",)


def test_a_secret_comes_from_the_environment_and_is_not_in_what_may_be_recorded(
    tmp_path: Path,
) -> None:
    adapter = read(tmp_path, GOOD)
    assert adapter.headers == {"Authorization": "Bearer secret"}
    assert adapter.written["headers"] == {"Authorization": "Bearer ${TOKEN}"}


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("is: end", "is: fin", "frames.1.is: 'fin' is none of chunk, control, end, error, history"),
        ("index: index", "indx: i", "frames.0: indx is unknown; allowed: is, when, each, session,"),
        ("my-chat", "my chat", "name: 'my chat': letters, digits, - and _, at most 40"),
        (
            '"{after}"}',
            '"{afte}"}',
            "send.0.after: {afte} is none of {session_id}, {after},",
        ),
        ("TOKEN", "NO_TOKEN", "headers.Authorization: ${NO_TOKEN} is not set in the environment"),
        ("ws:", "ftp:", "url: 'ftp://127.0.0.1:8000/ws/{session_id}': a host and a path after one"),
        ("ws://127.0.0.1:8000/", "ws:///", "url: 'ws:///ws/{session_id}': a host and a path"),
        ("8000", "99999", "url: 'ws://127.0.0.1:99999/ws"),
        ("is: end", "is: [1]", "frames.1.is: expected a text (in quotes), got a list"),
        ("value: seq", "value: id", "resume.value: no rule in frames says where id stands"),
        ("value: seq", "value: no", "resume.value: expected a text (in quotes), got bool"),
        ("?after={after}", "", "resume.by: query needs {after} in url"),
        ("by: query", "by: last_event_id", "resume.by: last_event_id is for http:// (SSE)"),
        ("name: my", "nam: my", "nam is unknown; allowed: name, url, method, headers, cookies,"),
        ("name: my-chat\n", "", "name is missing"),
        ("url: ", "name: ", "line 1: 'name' stands twice"),
        ("    seq: seq\n", "    seq: s\n    seq: t\n", "line 11: 'seq' stands twice"),
        ("{index}", "{indx}", "produce.payload: {indx} is none of {session_id}, {message_id}"),
        ("produce: {", "produce: {history: h, ", "produce.history: needs {session_id}"),
        ("produce: {", "produce: {ttl_s: 0, ", "produce.ttl_s: expected a number >= 1"),
        ("seq: seq\n", "seq: a..b\n", "frames.0.seq: 'a..b' is no path"),
        ("url: ", "url: : ", "line 2: no YAML: mapping values are not allowed here"),
        ("is: history", "is: control", "frames: no rule with is: chunk or is: history"),
        ("name:", "body: {a: 1}\nname:", "body: only for http:// and https://"),
        ("name:", "method: POST\nname:", "method: only for http:// and https://"),
        ("name:", "tls: {ca: no.pem}\nname:", "tls.ca: no file no.pem"),
        ("name:", "framing: socket.io\nname:", "send.0: a socket.io event is a list"),
        ("name:", "ask: {url: 'http://h'}\nname:", "ask: produce is there too"),
        ("name:", "start: -1\nname:", "start: expected a mapping, got a number"),
        ("name:", "start: {command: []}\nname:", "start.command: expected a list of length >= 1"),
        ("name:", "start: {command: run it}\nname:", "start.command: expected a list, got a text"),
        ("name:", "start: {command: [a], processes: 3}\nname:", "start.processes: expected a num"),
        ("name:", "start: {command: [a], port: 1}\nname:", "start: port is unknown; allowed: com"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(
    tmp_path: Path, before: str, after: str, line: str
) -> None:
    assert before in GOOD
    assert refused(tmp_path, GOOD.replace(before, after, 1)).startswith(line)


SSE = """\
name: s
url: https://h/{session_id}
frames: [{is: chunk, text: "$"}]
"""


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("send: [hello]", "send: only for ws:// and wss://"),
        ("subprotocols: [a]", "subprotocols: only for ws:// and wss://"),
        ("body: {a: 1}", "body: needs method: POST"),
        ("framing: socket.io", "framing: socket.io is spoken over ws:// and wss:// here"),
        ("ask: {url: 'ws://h'}", "ask.url: 'ws://h': a host and a path after one of http://"),
        ("ask: {url: 'http://h', reference: no}", "ask.reference: "),
        ("ask: {url: 'http://h', reference: all}", "ask.reference: 'all' is none of connection"),
    ],
)
def test_what_only_the_other_transport_has_is_refused(tmp_path: Path, more: str, line: str) -> None:
    assert refused(tmp_path, SSE + more).startswith(line)


def test_the_finished_answer_may_be_what_the_rest_is_held_against(tmp_path: Path) -> None:
    more = "ask: {url: 'http://h', reference: {url: 'http://h/a', text: answer.0}}"
    adapter = read(tmp_path, SSE + more)
    assert adapter.ask is not None
    assert adapter.ask.reference == FinishedAnswer(url="http://h/a", text="answer.0")


PYTHON = """\
TARGET = {"name": "p", "url": "ws://h/{room}"}

def read(data, event, id):
    return [{"is": "chunk", "text": data}]

def values(session_id, user):
    return {"room": session_id.upper()}
"""


def test_a_python_adapter_has_the_same_content_and_two_functions(tmp_path: Path) -> None:
    adapter = read(tmp_path, PYTHON, "a.py")
    assert adapter.url == "ws://h/{room}"
    assert adapter.values is not None
    assert adapter.values("s", 1) == {"room": "S"}
    assert adapter.read is not None


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("TARGET", "TARGETS", "TARGET must be a mapping"),
        ('"p"', '"p", "frames": [{"is": "chunk", "text": "$"}]', "frames: the function read is"),
        ("def read", "def reads", "frames: no rule"),
        ("def values", "def value", "url: {room} is none of {session_id}"),
        ("def values", "values = 1\ndef value", "values: is no function"),
        ("def read", "raise KeyError('x')\ndef read", "does not load"),
    ],
)
def test_a_wrong_python_adapter_is_one_line_too(
    tmp_path: Path, before: str, after: str, line: str
) -> None:
    with pytest.raises(UsageError, match=line.replace("{", "\\{")):
        read(tmp_path, PYTHON.replace(before, after, 1), "a.py")


def test_who_only_reads_adapters_and_frames_waits_for_no_gevent() -> None:
    """Processes of asyncio read them, too, and a command's help should not wait."""
    imports = "import sys, chunk7.loadtest.targets.frame_reader, chunk7.loadtest.targets.samples"
    check = "print({'gevent', 'locust'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{imports}; {check}"], capture_output=True)
    assert (done.stdout, done.stderr) == (b"set()\n", b"")


def test_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: No such file or directory$"):
        read_adapter(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match=r"no adapter file .*none\.py$"):
        read_adapter(tmp_path / "none.py")


@pytest.mark.parametrize("text", ["", "- a\n", "text", "\x00", "a: *nowhere"])
def test_what_is_no_mapping_is_one_line(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)
