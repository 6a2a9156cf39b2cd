from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.loadtest.targets import events
from chunk7.loadtest.targets.errors import TargetError
from chunk7.loadtest.targets.events import EventParser
from chunk7.loadtest.targets.paths import Message

STREAM = (
    "\ufeff: a comment\n"
    "retry: 3000\n"
    "\n"
    "event: chunk\r\nid: 1\r\ndata: {\r\ndata:  \"t\": \"ä\"\r\ndata: }\r\n\r\n"
    "data\r\rdata:no space\rid:\r\r"
    "event: no data, no event\n\n"
    "id: 2\n\n"
    "data: plain\nunknown: x\nretry: soon\nid: a\0b\n\n"
    "data: never ended\n"
).encode()  # fmt: skip
EVENTS = [
    Message('{\n "t": "ä"\n}', "chunk", "1"),
    Message("", "message", "1"),
    Message("no space", "message", None),
    Message("plain", "message", "2"),
]


def test_a_stream_is_read_as_the_standard_says() -> None:
    parser = EventParser()
    assert parser.feed(STREAM) == EVENTS
    assert parser.retry_ms == 3000


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_where_a_stream_is_cut_does_not_matter(cuts: list[int]) -> None:
    parser = EventParser()
    places = [0, *sorted(cuts), len(STREAM)]
    found = [event for a, b in pairwise(places) for event in parser.feed(STREAM[a:b])]
    assert found == EVENTS


@given(st.binary())
def test_any_bytes_are_a_stream(data: bytes) -> None:
    whole = EventParser().feed(data)
    parser = EventParser()
    assert [event for i in range(len(data)) for event in parser.feed(data[i : i + 1])] == whole


def test_an_event_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENT_BYTES", 1_000)
    parser = EventParser()
    parser.feed(b"data: more\n" * 190)
    with pytest.raises(TargetError, match="an event of more than 1000 bytes"):
        parser.feed(b"data: more\n" * 20)
