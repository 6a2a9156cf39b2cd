"""Chunks are written where, and in the form in which, somebody else's back end reads them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.errors import UsageError
from chunk7.wire.frames import encode_chunk
from chunk7.wire.store.layout import OWN, TemplateLayout, Templates, read_layout
from chunk7.wire.store.store import Store
from tests.store_kit import server

pytestmark = pytest.mark.clocked

CHUNK = Chunk("s1", "m1", 2, 'say "hi"', True, 7)
CHAT = Templates(
    history="chat:{session_id}:history",
    channel="room:{session_id}",
    stream="log:{session_id}",
    counter="n:{session_id}",
    payload={"type": "token", "i": "{index}", "n": "{seq}", "d": {"t": "{text}", "end": "{final}"}},
    fields={"body": "{payload}", "n": "{seq}"},
)
PAYLOAD = b'{"type":"token","i":2,"n":7,"d":{"t":"say \\"hi\\"","end":true}}'


def test_a_value_that_is_one_place_keeps_its_type() -> None:
    assert TemplateLayout(CHAT).payload(CHUNK) == PAYLOAD


def test_a_place_within_a_text_is_filled_in() -> None:
    layout = TemplateLayout(Templates(payload={"id": "{message_id}/{index}", "last": "x {final}"}))
    assert json.loads(layout.payload(CHUNK)) == {"id": "m1/2", "last": "x true"}


def test_a_payload_may_be_plain_text() -> None:
    assert TemplateLayout(Templates(payload="{seq}|{text}")).payload(CHUNK) == b'7|say "hi"'


def test_without_a_payload_every_field_goes_under_its_own_name() -> None:
    assert json.loads(TemplateLayout(Templates()).payload(CHUNK)) == {
        "session_id": "s1", "message_id": "m1", "index": 2, "seq": 7, "text": 'say "hi"',
        "final": True,
    }  # fmt: skip


def test_names_that_are_left_out_are_our_own() -> None:
    layout = TemplateLayout(Templates())
    assert layout.history("s1") == OWN.history("s1")
    assert layout.channel("s1") == OWN.channel("s1")
    assert layout.stream("s1") == OWN.stream("s1")
    assert layout.counter("s1") == OWN.counter("s1")


def test_a_stream_entry_has_the_fields_that_were_named() -> None:
    assert TemplateLayout(CHAT).entry(CHUNK) == ["body", PAYLOAD.decode(), "n", "7"]


@given(st.text(), st.integers(1, 2**31 - 1))
def test_the_parts_around_the_number_are_the_payload(text: str, seq: int) -> None:
    chunk = Chunk("s", "m", 0, text)
    for layout in (
        OWN,
        TemplateLayout(CHAT),
        TemplateLayout(Templates(payload="{seq}{text}{seq}")),
    ):
        parts = layout.around_seq(chunk)
        assert str(seq).encode().join(parts) == layout.payload(chunk.numbered(seq))


@pytest.mark.parametrize(
    ("templates", "line"),
    [
        (Templates(history="chat"), "history: needs {session_id}: every session has its own"),
        (Templates(channel="{sid}"), "channel: {sid} is none of {session_id}"),
        (
            Templates(payload=[{"a": "{token}"}]),
            "payload: {token} is none of {session_id}, {message_id}, {index}, {seq}, {text}, "
            "{final}",
        ),
        (
            Templates(fields={"f": "{x}"}),
            "fields.f: {x} is none of {session_id}, {message_id}, {index}, {seq}, {text}, "
            "{final}, {payload}",
        ),
    ],
)
def test_a_place_that_there_is_not_is_named(templates: Templates, line: str) -> None:
    with pytest.raises(UsageError) as error:
        TemplateLayout(templates)
    assert str(error.value) == line


def test_a_file_that_is_no_layout_is_named(tmp_path: Path) -> None:
    path = tmp_path / "layout.json"
    path.write_text('{"histroy": "x"}')
    with pytest.raises(UsageError, match=r"layout\.json: .*histroy"):
        read_layout(path)
    with pytest.raises(UsageError, match=r"none\.json: No such file"):
        read_layout(tmp_path / "none.json")


@pytest.mark.live
async def test_every_command_of_the_write_side_follows_the_layout(tmp_path: Path) -> None:
    with server(tmp_path) as valkey:
        url = f"redis://127.0.0.1:{valkey.port}/0"
        store = await Store.open(url, layout=TemplateLayout(CHAT))
        try:
            assert await store.next_seq("s1") == 1
            await store.save(CHUNK)
            await store.save_and_publish(CHUNK)
            assert await store.number_save_and_publish(CHUNK) == (2, 0)
            await store.append(CHUNK)
        finally:
            await store.close()
        counted = PAYLOAD.replace(b'"n":7', b'"n":2')
        assert sorted(valkey.ask("KEYS", "*")) == [b"chat:s1:history", b"log:s1", b"n:s1"]
        assert valkey.ask("LRANGE", "chat:s1:history", 0, -1) == [PAYLOAD, PAYLOAD, counted]
        assert valkey.ask("GET", "n:s1") == b"2"
        [(_, fields)] = valkey.ask("XRANGE", "log:s1", "-", "+")
        assert fields == {b"body": PAYLOAD, b"n": b"7"}


def test_our_own_layout_is_the_frame_that_nodes_pass_on() -> None:
    assert OWN.payload(CHUNK) == encode_chunk(CHUNK)
    assert OWN.entry(CHUNK) == [b"chunk", encode_chunk(CHUNK)]
