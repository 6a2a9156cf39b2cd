"""`chunk7 target`: what a newcomer sees of an adapter that is right, and of each that is wrong."""

import json
import socket
import ssl
import threading
from pathlib import Path

import msgspec
import pytest
from call_kit import Call
from http_kit import Answer, answering, events, http
from store_kit import certificate
from websockets.sync.server import ServerConnection, serve

from chunk7.loadtest.targets.adapter import read_adapter
from chunk7.loadtest.targets.frame_reader import FrameReader, Sighting
from chunk7.loadtest.targets.paths import Message
from chunk7.loadtest.targets.samples import SAMPLES

pytestmark = pytest.mark.clocked

CHUNKS = (
    b'event: history\ndata: {"all": [{"n": 1, "t": "Once"}, {"n": 2, "t": " upon"}]}\n\n'
    b'id: 3\ndata: {"n": 3, "t": " a"}\n\ndata: [DONE]\n\n'
)
RULES = """\
frames:
  - {is: history, when: {"@event": history}, each: all, seq: n, text: t}
  - {is: end, when: {"@data": "[DONE]"}}
  - {is: chunk, seq: n, text: t, id: "@id"}
resume: {by: last_event_id}
"""


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return tmp_path / "a.yaml"


def write(file: Path, url: str, more: str = RULES) -> str:
    file.write_text(f"name: mine\nurl: {url}\n{more}")
    return str(file)


def test_each_frame_is_shown_with_the_rule_that_read_it(call: Call, adapter: Path) -> None:
    with answering(events(CHUNKS)) as server:
        said = call("target", "check", write(adapter, f"http://{server.address}/{{session_id}}"))
    assert said.returncode == 0
    lines = [line.split("ms  ")[-1].strip() for line in said.stdout.splitlines()]
    assert lines[0].startswith("mine: session chunk7-check, open after ")
    assert lines[1:] == [
        "frames.0 history  2 chunks: seq 1, 'Once' ... seq 2, ' upon'",
        'event: history  {"all": [{"n": 1, "t": "Once"}, {"n": 2, "t": " upon"}]}'[:66] + "…",
        "frames.2 chunk  seq 3, id 3, ' a'",
        'id: 3  {"n": 3, "t": " a"}',
        "frames.1 end",
        "id: 3  [DONE]",
        "frames: 3, chunks: 3",
    ]
    assert all(len(line) <= 80 for line in said.stdout.splitlines())
    assert server.requests[0].startswith(b"GET /chunk7-check ")


def test_the_document_has_all_of_it(call: Call, adapter: Path) -> None:
    with answering(events(CHUNKS)) as server:
        file = write(adapter, f"http://{server.address}/{{session_id}}")
        said = call("target", "check", file, "--session", "s", "--json")
    document = json.loads(said.stdout)
    assert (document["schema"], document["session_id"], document["error"]) == (1, "s", None)
    assert [frame["kind"] for frame in document["frames"]] == ["history", "chunk", "end"]
    assert document["frames"][1]["sightings"][0]["seq"] == 3
    assert document["notes"] == []


def test_what_a_run_could_not_know_is_noted(call: Call, adapter: Path) -> None:
    rules = 'frames: [{is: chunk, text: "$"}]\nframing: text\n'
    with answering(events(b"data: a\n\n")) as server:
        said = call("target", "check", write(adapter, f"http://{server.address}", rules))
    assert said.returncode == 0
    assert "frames: 1, chunks: 1; the target closed with 1000 end of stream" in said.stdout
    assert [line for line in said.stdout.splitlines() if line.startswith("- ")] == [
        "- no index and no seq: the verdict is by text alignment",
        "- no frame was read as end: a run waits for the producer's instead",
        "- no frame was read as history: what a late client gets is not told apart",
        "- no resume: a client whose connection ends does not come back",
    ]


def never(connection: socket.socket, _: bytes) -> None:
    """A stream on which nothing comes, until the client has enough."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    connection.recv(1)


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (events(b"data: {}\n\n"), 2, "frames.2 (chunk): seq: nothing at n; there is nothing; rec"),
        (events(b"data: hello\n\n"), 2, "no JSON ("),
        (events(b'event: history\ndata: {"all": []}\n\n'), 2, "session chunk7-check is empty: a h"),
        (events(b"data: [DONE]\n\n"), 2, "no rule read a chunk: 1 frames were read as end"),
        (events(b""), 2, "the target closed with 1000 end of stream before it sent anything"),
        (never, 2, "nothing was received in 0.2 s: does session chunk7-check stream just now"),
        (http(b"<html>", headers="Content-Type: text/html\r\n"), 2, "answered with text/html"),
        (http(b"no", "404 Not Found"), 2, "HTTP 404: no; is url the endpoint"),
        (http(b"who?", "401 No"), 2, "HTTP 401: who?; who asks? headers or cookies bring"),
        (http(b"", "429 Too Many"), 2, "HTTP 429: Too Many; the target limits how often"),
        (http(b"", "301 Moved", "Location: /\r\n"), 2, "/; url should be where the target points"),
        (http(b"", "418 Teapot"), 2, "HTTP 418: Teapot; the target refuses"),
        (http(b"oops", "503 Busy"), 1, "HTTP 503: oops; the target fails"),
        (b"", 1, "hung up without an answer; is the target running, and url its address?"),
    ],
    ids=[
        *("path not found", "not JSON", "empty", "nothing read", "closes at once"),
        *("never sends", "HTML", "404", "401", "429", "circle", "418", "503", "hangs up"),
    ],
)
def test_a_wrong_adapter_is_one_line_that_says_what_to_change(
    call: Call, adapter: Path, answer: Answer | bytes, code: int, words: str
) -> None:
    with answering(answer) as server:
        file = write(adapter, f"http://{server.address}")
        said = call("target", "check", file, "--seconds", "0.2")
    assert said.returncode == code
    assert said.stderr.startswith(f"chunk7 target: error: {file}: ")
    assert words in said.stderr
    assert said.stderr.count("\n") == 1


def test_nobody_there_and_no_websocket_are_told_apart(call: Call, adapter: Path) -> None:
    with answering(http(b"no upgrade", "426 Upgrade")) as server:
        file = write(adapter, f"ws://{server.address}", RULES.partition("resume")[0])
        assert call("target", "check", file).returncode == 2
    moved = http(b"", "308 Moved", "Location: wss://elsewhere/ws?key=k\r\n")
    with answering(moved) as server:
        file = write(adapter, f"ws://{server.address}", RULES.partition("resume")[0])
        said = call("target", "check", file)
        assert said.returncode == 2
        assert "HTTP 308: Moved, to wss://elsewhere/ws; url should be where" in said.stderr
    with answering(http(b"<html>")) as server:
        file = write(adapter, f"ws://{server.address}", RULES.partition("resume")[0])
        said = call("target", "check", file)
        assert said.returncode == 2
        assert "HTTP 200: <html>; that is HTTP and no WebSocket" in said.stderr
    with answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n") as server:
        file = write(adapter, f"ws://{server.address}", RULES.partition("resume")[0])
        assert call("target", "check", file).returncode == 2
    said = call("target", "check", file)
    assert (said.returncode, said.stdout) == (1, "")
    assert "Connection refused; is the target running" in said.stderr


def test_a_certificate_that_is_not_trusted_is_the_adapters_fault(
    call: Call, adapter: Path, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    with answering(events(CHUNKS), context) as server:
        port = server.address.partition(":")[2]
        said = call("target", "check", write(adapter, f"https://{server.address}"))
        assert said.returncode == 2
        assert "tls.ca names a file of authorities, tls.verify: false trusts anyone" in said.stderr
        trusted = f"{RULES}tls: {{ca: {tmp_path / 'certificate.pem'}}}\n"
        said = call("target", "check", write(adapter, f"https://{server.address}", trusted))
        assert said.returncode == 0
        said = call("target", "check", write(adapter, f"https://localhost:{port}", trusted))
        assert said.returncode == 2
        assert "Hostname mismatch" in said.stderr


def test_a_binary_websocket_is_named(call: Call, adapter: Path) -> None:
    def handler(server: ServerConnection) -> None:
        server.send(b"\x1f\x8b\x08packed")

    with serve(handler, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        said = call("target", "check", write(adapter, url, RULES.partition("resume")[0]))
        server.shutdown()
        thread.join(10)
    assert said.returncode == 2
    assert "it is gzip; have the target send text" in said.stderr
    assert "9 bytes that are no text, 1f 8b 08" in said.stderr


@pytest.mark.parametrize("reference", ["connection", "request", "{url: 'URL/done', text: t}"])
def test_the_target_is_asked_for_an_answer_and_its_session_joined(
    call: Call, adapter: Path, reference: str
) -> None:
    def answer(connection: socket.socket, request: bytes) -> None:
        streams = b"/join" in request or reference == "request"
        body = b'{"id": "s9", "t": "Once upon a"}'
        connection.sendall(events(CHUNKS) if streams else http(body))

    with answering(answer) as server:
        url = f"http://{server.address}"
        session = "" if reference == "request" else ", session_id: id"
        ask = f"ask: {{url: '{url}/ask', reference: {reference.replace('URL', url)}{session}}}\n"
        file = write(adapter, f"{url}/join/{{session_id}}", RULES + ask)
        said = call("target", "check", file, "--json")
    assert said.returncode == 0
    document = json.loads(said.stdout)
    assert [frame["connection"] for frame in document["frames"]] == (
        ["ask"] * 3 + ["join"] * 3 if reference == "request" else ["join"] * 3
    )
    paths = [request.split(b" ")[1].decode() for request in server.requests]
    joined = {"request": ["/ask", "/join/chunk7-check"], "connection": ["/ask", "/join/s9"]}
    assert paths == joined.get(reference, ["/ask", "/join/s9", "/done"])
    assert document["finished_characters"] == (11 if "/done" in paths else None)


# --- init ---

FRAMES = {
    "websocket": Message(b'{"type":"chunk","message_id":"m","index":1,"seq":2,"text":" upon"}'),
    "sse": Message('{"message_id":"m","index":1,"text":" upon"}', "message", "17-0"),
    "openai": Message('{"id":"m","choices":[{"delta":{"content":" upon"}}]}', "message"),
    "langgraph": Message(
        '[{"type":"AIMessageChunk","id":"m","content":" upon"},{"langgraph_node":"agent"}]',
        "messages",
        "17-0",
    ),
    "socket.io": Message(
        b'{"args":[{"message_id":"m","index":1,"text":" upon"}]}', "chunk", "p/17-0"
    ),
}
"""A chunk of each kind of back end, as its transport hands it over."""


@pytest.mark.parametrize("kind", SAMPLES)
def test_an_adapter_to_begin_with_is_right_and_reads_its_kind_of_frame(
    call: Call, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "new.yaml"
    said = call("target", "init", kind, "--out", str(file))
    assert (said.returncode, said.stderr) == (0, "")
    assert f"chunk7 target check {file}" in said.stdout
    reading = FrameReader(read_adapter(file)).read(FRAMES[kind])
    assert reading.kind == "chunk"
    expected = Sighting(None, "m", 1, 2 if kind == "websocket" else None, FRAMES[kind].id, " upon")
    if kind in ("openai", "langgraph"):
        expected = msgspec.structs.replace(expected, index=None)
    assert reading.sightings == (expected,)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("openai", Message("[DONE]", "message")),
        ("sse", Message("{}", "done")),
        ("websocket", Message(b'{"type":"end"}')),
        ("socket.io", Message(b'{"args":[]}', "end")),
        ("langgraph", Message("null", "end")),
    ],
)
def test_it_reads_the_end_as_well(call: Call, tmp_path: Path, kind: str, message: Message) -> None:
    file = tmp_path / "new.yaml"
    call("target", "init", kind, "--out", str(file))
    assert FrameReader(read_adapter(file)).read(message).kind == "end"


def test_init_prints_overwrites_nothing_and_names_the_kinds(call: Call, tmp_path: Path) -> None:
    said = call("target", "init")
    assert said.returncode == 0
    assert "url: ws://" in said.stdout
    file = tmp_path / "there.yaml"
    file.touch()
    assert "File exists" in call("target", "init", "sse", "--out", str(file)).stderr
    said = call("target", "init", "carrier-pigeon")
    assert said.returncode == 2
    assert "one of websocket, sse, openai, langgraph, socket.io" in said.stderr
