"""What an ordering costs the store, from the events that the producer wrote."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from story import CELL, Story

from chunk7.analysis.gather import gather
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.store_cost import SENT_BY, commands, over_the_wire
from chunk7.analysis.study import analyse
from chunk7.delivery.chunk import Chunk, stream_key
from chunk7.delivery.errors import RecordError
from chunk7.wire.plan import Cell
from chunk7.wire.store.heads import heads_and_epochs
from chunk7.wire.store.link import Link
from chunk7.wire.store.store import Store


def told(folder: Path, *details: Any, cells: list[Cell] | None = None) -> Path:
    """A run of four chunks and two connections a cell, with these `commands` events."""
    story = Story(folder, cells=cells)
    for cell in range(len(story.cells)):
        session = f"s{cell}"
        for seq in range(1, 5):
            story.chunk(seq, 10 * seq, cell=cell, session_id=session)
        for number in (1, 2):
            story.connection(10 * cell + number, cell=cell, session_id=session)
    for detail in details:
        text = detail if isinstance(detail, str) else json.dumps(detail)
        story.of("producer").add("events", kind="commands", detail=text)
    return story.end()


def per(folder: Path) -> list[tuple[float | None, float | None]]:
    return [
        (r.commands_per_connection, r.commands_per_chunk) for r in analyse(folder).summary.results
    ]


def test_each_side_is_held_against_what_it_serves(tmp_path: Path) -> None:
    calls = {"lrange": 2, "subscribe": 1, "mget": 3, "rpush": 4, "publish": 4, "ping": 9, "info": 2}
    folder = told(tmp_path / "run", {"cell": 0, "calls": calls})
    assert per(folder) == [(3.0, 2.0)]


def test_what_the_script_calls_is_not_counted(tmp_path: Path) -> None:
    calls = {"evalsha": 4, "incr": 4, "rpush": 4, "pexpire": 8, "publish": 5}
    assert over_the_wire(calls) == {"evalsha": 4, "incr": 0, "rpush": 0, "pexpire": 0, "publish": 1}
    assert over_the_wire({"evalsha": 4, "incr": 1})["incr"] == 0
    assert per(told(tmp_path / "run", {"cell": 0, "calls": calls})) == [(0.0, 1.25)]


def test_cells_that_were_not_counted_have_null(tmp_path: Path) -> None:
    cells = [CELL, Cell("buffered_merge", "atomic_lua")]
    folder = told(tmp_path / "run", {"cell": 1, "calls": {"get": 8}}, cells=cells)
    assert per(folder) == [(None, None), (4.0, 0.0)]


def test_a_cell_that_nobody_joined_has_null(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    detail = '{"cell": 0, "calls": {"get": 8}}'
    story.of("producer").add("events", kind="commands", detail=detail)
    assert per(story.end()) == [(None, None)]


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        ("many", "a commands event cannot be read"),
        ('{"cell": 0, "calls": {"get": "x"}}', "a commands event cannot be read"),
        ('{"cell": 3, "calls": {}}', "a commands event of cell 3"),
        ('{"cell": -1, "calls": {}}', "a commands event of cell -1"),
    ],
)
def test_an_event_that_is_none_is_said(detail: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=rf"events\.parquet: .*{message}"):
        analyse(told(tmp_path / "run", detail))


def test_no_command_is_both_a_nodes_and_the_producers() -> None:
    assert not set(SENT_BY["node"]) & set(SENT_BY["producer"])


async def test_the_server_counts_what_we_take_it_to_count(store_url: str, tmp_path: Path) -> None:
    """Every method of Store and the hub's two commands, once each, on a real server."""
    store = await Store.open(store_url)
    confirmed = asyncio.Event()
    listener = await Link.open(store_url, on_push=lambda _push: confirmed.set())
    before = await store.command_calls()
    numbered = Chunk("s", "m", 0, "text", False, 1)
    seq = await store.next_seq("s")
    await store.publish(numbered)
    await store.save(numbered)
    await store.save_and_publish(numbered)
    await store.number_save_and_publish(Chunk("s", "m", 1, "text", True))
    listener.push("SUBSCRIBE", stream_key("s"))
    await confirmed.wait()
    confirmed.clear()
    listener.push("UNSUBSCRIBE", stream_key("s"))
    await confirmed.wait()
    await store.history("s")
    await store.head("s")
    await heads_and_epochs(store, ["s", "t"])
    await store.link.send("DEL", stream_key("s"))
    await store.append(numbered)
    await store.stream("s", "0-0")
    await store.stream("s", "$")
    await store.link.send("XREAD", "STREAMS", stream_key("s"), "0-0")
    await store.time_us()
    after = await store.command_calls()
    for link in (listener, store.link):
        await link.close()

    assert seq == 1
    calls = {name: after[name] - before.get(name, 0) for name in after}
    assert over_the_wire({name: n for name, n in calls.items() if n}) == {
        "incr": 1, "publish": 2, "rpush": 2, "multi": 3, "pexpire": 5, "exec": 3, "evalsha": 1,
        "subscribe": 1, "unsubscribe": 1, "lrange": 1, "get": 1, "mget": 1, "del": 1, "xadd": 1,
        "xrange": 1, "xinfo": 1, "xread": 1, "time": 1, "info": 1,
    }  # fmt: skip
    story = Story(tmp_path / "run")
    detail = json.dumps({"cell": 0, "calls": calls})
    story.of("producer").add("events", kind="commands", detail=detail)
    gather(story.end())
    assert commands(load_run(story.folder)) == {0: {"node": 8, "producer": 18}}
