from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_kit import make_adapter

from chunk7.loadtest.targets.frame_reader import FrameReader, FrameReading, Sighting, UnreadFrame
from chunk7.loadtest.targets.paths import Message

FRAMES = [
    {
        "is": "history",
        "when": {"type": "history"},
        "each": "messages",
        "message": "m",
        "index": "i",
        "text": "t",
        "id": "@id",
    },
    {
        "is": "chunk",
        "when": {"type": ["chunk", "delta"]},
        "session": "s",
        "seq": "n",
        "text": "t",
    },
    {"is": "end", "when": {"@data": "[DONE]"}},
    {"is": "end", "when": {"type": "last", "t": "*"}, "text": "t"},
    {"is": "error", "when": {"@event": "error"}},
    {"is": "control", "when": {"type": None}},
]


def reader(frames: list[dict[str, Any]] | None = None, **content: Any) -> FrameReader:
    return FrameReader(make_adapter("ws://h", frames=frames or FRAMES, **content))


def read(data: str | bytes, event: str | None = None, id_: str | None = None) -> FrameReading:
    return reader().read(Message(data, event, id_))


def complaint(data: str | bytes, frames: list[dict[str, Any]] | None = None) -> str:
    with pytest.raises(UnreadFrame) as caught:
        reader(frames).read(Message(data))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_element_of_a_history_is_a_chunk() -> None:
    data = '{"type":"history","messages":[{"m":"m1","i":0,"t":"a"},{"m":2,"i":"1","t":null}]}'
    assert read(data, id_="7") == FrameReading(
        "history", 0, (Sighting(None, "m1", 0, None, "7", "a"), Sighting(None, "2", 1, None, "7"))
    )


def test_an_empty_history_is_a_history_without_chunks() -> None:
    assert read('{"type":"history","messages":[]}') == FrameReading("history", 0, ())
    assert read('{"type":"history","messages":null}') == FrameReading("history", 0, ())


@pytest.mark.parametrize("kind", ["chunk", "delta"])
def test_a_chunk_is_read_by_the_first_rule_that_matches(kind: str) -> None:
    data = msgspec.json.encode({"type": kind, "s": "s1", "n": 3, "t": " a"})
    assert read(data) == FrameReading("chunk", 1, (Sighting("s1", None, None, 3, None, " a"),))


def test_a_marker_that_is_no_json_is_read_by_a_rule_that_needs_none() -> None:
    assert read("[DONE]") == FrameReading("end", 2)


def test_an_end_may_bring_the_last_text() -> None:
    data = '{"type":"last","t":"!"}'
    assert read(data) == FrameReading("end", 3, (Sighting(text="!"),))


def test_a_star_wants_anything_but_null() -> None:
    assert 'frames.3 (end) wants t: "*", which is null' in complaint('{"type":"last","t":null}')


def test_null_wants_null_or_nothing() -> None:
    assert read("{}").kind == read('{"type":null}').kind == "control"


def test_an_event_may_be_told_by_its_name_alone() -> None:
    assert read('{"type":"whatever"}', event="error") == FrameReading("error", 4)


def test_text_is_read_as_it_stands() -> None:
    plain = reader([{"is": "chunk", "text": "$"}], framing="text")
    assert plain.read(Message(b'{"a"')).sightings == (Sighting(text='{"a"'),)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"type":"song"}', 'frames.0 (history) wants type: "history", which is "song"'),
        ('{"type":1}', 'frames.1 (chunk) wants type: ["chunk","delta"], which is 1'),
        ('{"type":"history"}', "frames.0 (history): each: nothing at messages; there is type"),
        ('{"type":"history","messages":{}}', "each: messages is {}, not a list"),
        ('{"type":"chunk","n":1,"t":"a"}', "frames.1 (chunk): session: nothing at s; there is"),
        ('{"type":"chunk","s":"","n":-1,"t":"a"}', "seq: n is -1, not a whole number from 0"),
        ('{"type":"chunk","s":"","n":2147483648}', "seq: n is 2147483648, not a whole number"),
        ('{"type":"chunk","s":"","n":true,"t":"a"}', "seq: n is true, not a whole number"),
        ('{"type":"chunk","s":"","n":1.5,"t":"a"}', "seq: n is 1.5, not a whole number"),
        ('{"type":"chunk","s":"","n":1,"t":["a"]}', 'text: t is ["a"], not a text'),
        ('{"type":"chunk","s":{},"n":1,"t":"a"}', "session: s is {}, not a text or a whole"),
        ("", "no JSON"),
        ("<!DOCTYPE html><p>", "it is an HTML page; is url the endpoint that streams?"),
        (b"\x1f\x8b\x08", "it is gzip; have the target send text"),
        (b"\x93\x01\xff", "it is binary; unpack it in a Python adapter's read()"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_why_and_shows_it(
    data: str | bytes, words: str
) -> None:
    line = complaint(data)
    assert words in line
    assert "; received " in line


def test_what_is_shown_of_a_long_frame_is_its_beginning() -> None:
    assert len(complaint("x" * 10_000)) < 500


def test_a_rule_of_json_does_not_see_what_is_none() -> None:
    """A chunk's rule without `when`, before the end's, used to be asked about `[DONE]`."""
    frames = [{"is": "chunk", "text": "t"}, {"is": "end", "when": {"@data": "[DONE]"}}]
    assert reader(frames).read(Message("[DONE]")).kind == "end"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from("stnim"), inner),
    max_leaves=5,
)
TYPED = st.fixed_dictionaries(
    {"type": st.sampled_from(["history", "chunk", "last"])},
    optional={"messages": st.lists(JSON), "s": JSON, "n": JSON, "t": JSON},
)


@given(JSON | TYPED)
def test_any_json_is_read_or_complained_of_and_nothing_else_happens(value: Any) -> None:
    try:
        reading = reader().read(Message(msgspec.json.encode(value)))
    except UnreadFrame:
        return
    assert all(isinstance(sighting, Sighting) for sighting in reading.sightings)


@given(st.binary() | st.text())
def test_so_is_anything_else(data: bytes | str) -> None:
    try:
        reader().read(Message(data))
    except UnreadFrame:
        return


# --- a Python adapter's own function ---


def test_a_function_is_given_text_wherever_it_is_text() -> None:
    given_: list[str | bytes] = []

    def function(data: str | bytes, event: str | None, id_: str | None) -> list[dict[str, Any]]:
        given_.append(data)
        return []

    adapter = msgspec.structs.replace(make_adapter("ws://h"), frames=(), read=function)
    for data in (b"\xc3\xa4", "ä", b"\xff"):
        FrameReader(adapter).read(Message(data))
    assert given_ == ["ä", "ä", b"\xff"]


def by_function(result: Any) -> FrameReader:
    adapter = make_adapter("ws://h")

    def function(data: str | bytes, event: str | None, id_: str | None) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    return FrameReader(msgspec.structs.replace(adapter, frames=(), read=function))


def test_a_function_may_read_several_chunks_and_the_end_from_one_message() -> None:
    result = [{"is": "chunk", "text": "a", "seq": 1}, {"is": "chunk", "text": "b"}, {"is": "end"}]
    assert by_function(result).read(Message("x")) == FrameReading(
        "end", -1, (Sighting(text="a", seq=1), Sighting(text="b"))
    )
    assert by_function([]).read(Message("x")) == FrameReading("control", -1)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (KeyError("t"), "read() in target.yaml raised KeyError: 't'; received 'x'"),
        (None, "read() must return a list of dicts, not null"),
        ([1], "read() must return a list of dicts, not [1]"),
        ([{"is": "song"}], "a dict has is (history, chunk, control, end, error), session, message"),
        ([{"is": "chunk", "txt": "a"}], 'read() returned {"is":"chunk","txt":"a"}; a dict has is'),
        ([{"is": "chunk", "text": 1}], "read() returned text: 1, not a text"),
        ([{"is": "history"}, {"is": "chunk"}], "history and chunk for one message"),
    ],
)
def test_what_a_function_does_wrong_is_one_line(result: Any, words: str) -> None:
    with pytest.raises(UnreadFrame) as caught:
        by_function(result).read(Message("x"))
    assert words in str(caught.value)
