"""Every format, by a small recording of it: what is read, and how it is recognised."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chunk7.delivery.errors import UsageError
from chunk7.instruments.recordings.formats import FORMATS, read_recording
from chunk7.instruments.recordings.reading import ReadRecording, of_session, read_pieces
from chunk7.instruments.recordings.recording import Wanted, instant_ns
from chunk7.loadtest.targets.adapter import read_adapter

SAMPLES = Path(__file__).parent / "recordings"
WORDS = ["It", " fell", " between", " two", " stools", "."]
PROXY = Wanted(data="frame", time="at", direction="dir=in")


def read(path: Path, wanted: Wanted | None = None, named: str | None = None) -> ReadRecording:
    return read_pieces(read_recording(path, named, wanted or Wanted()), None)


def texts(found: ReadRecording) -> list[str | None]:
    return [piece.seen.text for piece in found.pieces if piece.seen.text]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("sample", "named", "rules", "ended"),
    [
        ("openai_chat.sse", "sse", "OpenAI chat completions", True),
        ("openai_responses.stamped.sse", "sse", "OpenAI responses", True),
        ("anthropic.jsonl", "jsonl", "Anthropic messages", True),
        ("event_source.har", "har", "objects with text", False),
        ("xrange.tty.txt", "xrange", "chunk7", False),
        ("xrange.raw.txt", "xrange", "chunk7", False),
        ("xrange.json", "xrange", "chunk7", False),
    ],
)
def test_a_recording_is_recognised_and_read_without_being_told_how(
    sample: str, named: str, rules: str, ended: bool
) -> None:
    found = read(SAMPLES / sample)
    assert (found.recording.format, found.rules, found.ended) == (named, rules, ended)
    assert texts(found) == WORDS


def test_of_a_socket_in_har_only_what_the_client_received_counts() -> None:
    found = read(SAMPLES / "websocket.har")
    assert [piece.seen.index for piece in found.pieces] == [0, 1, 1, 3, 4, 5]
    assert [piece.is_history for piece in found.pieces] == [True, True, *[False] * 4]
    assert found.pieces[2].at_ns == 1_732_500_000_300_000_000


def test_the_body_of_an_event_stream_in_har_may_be_base64() -> None:
    found = read(SAMPLES / "event_stream.har")
    assert texts(found) == WORDS[:5]
    assert found.recording.content.asked_ns == 1_732_500_000_000_000_000
    assert found.pieces[0].at_ns is None


def test_of_several_requests_in_har_the_url_says_which(tmp_path: Path) -> None:
    har = json.loads((SAMPLES / "websocket.har").read_text())
    har["log"]["entries"].append(har["log"]["entries"][1] | {"request": {"url": "ws://h/other"}})
    path = write(tmp_path / "two.har", json.dumps(har))
    with pytest.raises(UsageError, match=r"not 2 \(ws://127.0.0.1:8000/ws/s1, ws://h/other\): --u"):
        read(path)
    assert len(read(path, Wanted(url="other")).pieces) == 6


def test_an_event_came_when_its_last_line_of_data_did() -> None:
    found = read(SAMPLES / "openai_responses.stamped.sse")
    assert [piece.at_ns for piece in found.pieces][:2] == [
        1_732_500_000_500_000_000, 1_732_500_000_625_000_000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "stamp", ["02:00:00.500", "2024-11-25T02:00:00.500Z", "2024-11-25 02:00:00,5", "[17.5]", "9"]
)
def test_an_instant_before_a_line_may_be_written_in_many_ways(tmp_path: Path, stamp: str) -> None:
    path = write(tmp_path / "s.sse", f'{stamp} data: {{"text": "a"}}\n{stamp}\n')
    (piece,) = read(path).pieces
    assert (piece.seen.text, piece.at_ns) == ("a", instant_ns(stamp.strip("[]")))


def test_an_event_that_broke_off_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "s.sse", 'data: {"text": "a"}\n\ndata: {"text": "b')
    assert texts(read(path)) == ["a"]


def test_an_event_whose_empty_line_an_editor_took_is_one(tmp_path: Path) -> None:
    path = write(tmp_path / "s.sse", 'data: {"text": "a"}\n\ndata: {"text": "b"}\n')
    assert texts(read(path)) == ["a", "b"]


def test_data_that_is_no_json_is_the_text_itself(tmp_path: Path) -> None:
    found = read(write(tmp_path / "s.sse", "data: It\n\ndata:  fell\n\ndata: [DONE]\n\n"))
    assert (texts(found), found.rules, found.ended) == (["It", " fell"], "plain text", True)


def test_lines_of_a_log_are_read_where_the_options_say() -> None:
    adapter = read_adapter(SAMPLES / "proxy.yaml")
    found = read_pieces(read_recording(SAMPLES / "proxy_log.jsonl", None, PROXY), adapter)
    assert [(piece.seen.seq, piece.seen.text) for piece in found.pieces] == list(
        enumerate(WORDS, 1)
    )
    assert found.pieces[0].at_ns == 1_732_500_000_100_000_000


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted(data="body"), r"proxy_log.jsonl \(jsonl\): line 1: --data body: nothing there"),
        (Wanted(time="dir"), "line 1: --time dir: no instant there"),
        (Wanted(direction="dir"), "--direction dir: want PATH=VALUE"),
        (Wanted(direction="dir=up"), "--direction dir=up: no line is so"),
    ],
)
def test_a_field_that_is_not_there_is_one_line(wanted: Wanted, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(SAMPLES / "proxy_log.jsonl", wanted)


def test_a_json_list_is_read_as_its_lines_would_be(tmp_path: Path) -> None:
    path = write(tmp_path / "l.json", json.dumps([{"text": "a"}, '{"text": "b"}']))
    assert texts(read(path)) == ["a", "b"]


def test_an_entry_of_several_fields_is_an_object_unless_one_is_its_payload(tmp_path: Path) -> None:
    rows = [["1-0", ["text", "a", "who", "me"]], ["2-0", ["who", "me", "data", '{"text": "b"}']]]
    path = write(tmp_path / "x.json", json.dumps(rows))
    assert texts(read(path)) == ["a", "b"]
    with pytest.raises(UsageError, match="entry 1-0: --data data: it has text, who"):
        read(path, Wanted(data="data"))


def test_an_entry_that_is_quoted_is_unquoted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.txt",
        '1) 1) "1-0"\n   2) 1) "data"\n      2) "{\\"text\\":\\"\\xc3\\xa9\\"}"\n',
    )
    assert texts(read(path)) == ["é"]


def test_raw_entries_with_line_breaks_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", "1-0\ndata\ntwo\nlines\n2-0\ndata\na\n")
    with pytest.raises(UsageError, match="--json writes it"):
        read(path)


def test_a_recording_may_be_compressed(tmp_path: Path) -> None:
    path = write(tmp_path / "s.gz", gzip.compress((SAMPLES / "openai_chat.sse").read_bytes()))
    assert texts(read(path)) == WORDS


def test_one_session_is_read_of_several(tmp_path: Path) -> None:
    row = {"message_id": "m", "index": 0, "seq": 1}
    lines = [json.dumps(row | {"session_id": name, "text": name}) for name in ("s1", "s2")]
    found = read(write(tmp_path / "l.jsonl", "\n".join(lines)))
    with pytest.raises(UsageError, match=r"has 2 sessions \(s1, s2\): --session says which"):
        of_session(found, None)
    assert texts(of_session(found, "s2")) == ["s2"]
    with pytest.raises(UsageError, match="--session s3: "):
        of_session(found, "s3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\x01", "of no known format: it begins with"),
        (b"data: {}\n\n", "no frame brings a piece|frames of no known provider"),
        (b"data:\n", "no frame|has no frame"),
        (b'{"a": 1}\n{"b"\n', r"\(jsonl\): line 2: "),
        (b'{"a": 1}\n', "frames of no known provider: '{\"a\":1}'.*--target FILE.yaml"),
        (b'{"log": {"entries": 1}}', r"\(har\): not a HAR"),
        (b"\x1f\x8b\x08", "damaged"),
    ],
)
def test_a_file_that_is_none_of_them_is_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = write(tmp_path / "f", content)
    with pytest.raises(UsageError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_a_format_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "nothing")
    with pytest.raises(UsageError, match=f"--format csv: one of {', '.join(FORMATS)}"):
        read(SAMPLES / "xrange.json", named="csv")


LINES = st.lists(
    st.sampled_from(
        [b"data: a", b'data: {"text": "b"}', b"", b"1-0", b"1) ", b'   2) "x"', b"[", b'{"log":',
         b'"entries": []}', b'{"text": 1}', b'{"type": "chunk", "seq": -1}', b"17.5 data: c",
         b"\xff\xfe", b"id: 4", b'[["1-0", ["a"]]]', b"{}", b"null", b"1e999 data: x"]
    )
    | st.binary(max_size=8),
    max_size=8,
)  # fmt: skip


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.sampled_from([None, *FORMATS]))
def test_whatever_a_file_has_it_is_read_or_refused_in_one_line(
    tmp_path: Path, lines: list[bytes], named: str | None
) -> None:
    path = write(tmp_path / "any", b"\n".join(lines))
    line = f"{path}: has pieces"
    try:
        assert read(path, named=named).pieces
    except UsageError as error:
        line = str(error)
    assert str(path) in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("value", "name", "at_ns"),
    [
        (1_732_500_000, "", 1_732_500_000 * 10**9),
        (1_732_500_000_123, "", 1_732_500_000_123 * 10**6),
        (1_732_500_000_123_456_789, "t", 1_732_500_000_123_456_789),
        (1.5, "at_ms", 1_500_000),
        ("2024-11-25T03:00:00.25+01:00", "", 1_732_500_000_250_000_000),
        ("01:00:00.5", "", 3_600_500_000_000),
        ("soon", "", None),
        (True, "", None),
        (float("nan"), "", None),
        ("inf", "", None),
    ],
)
def test_an_instant_is_read_as_people_write_it(value: object, name: str, at_ns: int | None) -> None:
    assert instant_ns(value, name) == at_ns
