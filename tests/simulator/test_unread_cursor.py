"""Who never looks into a cursor is explored with one set of stream ids, who looks with all."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chunk7.delivery.effects import (
    BEGINNING,
    Follow,
    ReadStream,
    SendHistory,
    SendWelcome,
    StreamRead,
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.ordering import ConnectOrdering, ConnectSteps, Feed, Join
from chunk7.faults import STRIKES
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.search import Search, SearchLimits, explore, walk
from chunk7.simulator.explore.state import ExploreCell
from chunk7.simulator.explore.unread_cursor import CursorRead, UnreadCursor, hide, show
from chunk7.simulator.explore.world import World

STREAMS = CONNECT_ORDERINGS["redis_streams"]
APPEND = WRITE_ORDERINGS["stream_append"]

LOOKS: dict[str, Callable[[Any], Any]] = {
    "takes it apart": lambda cursor: cursor.partition("-"),
    "asks for a letter": lambda cursor: cursor[0],
    "looks for a letter": lambda cursor: "-" in cursor,
    "compares": lambda cursor: cursor == BEGINNING,
    "orders": lambda cursor: cursor < "9",
    "measures": len,
    "goes through it": list,
    "writes it out": lambda cursor: f"{cursor}",
    "converts it": str,
    "puts it behind": lambda cursor: "(" + cursor,
    "puts it before": lambda cursor: cursor + "0",
    "keeps it in a set": lambda cursor: {cursor},
    "takes it for a number": int,
}
HANDLES: dict[str, Callable[[Any], Any]] = {
    "asks whether there is one": bool,
    "asks what it is": lambda cursor: isinstance(cursor, str),
    "keeps it": lambda cursor: (cursor,),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_looking_is_found_out(look: Callable[[Any], Any]) -> None:
    with pytest.raises(CursorRead):
        look(UnreadCursor("5-0"))


@pytest.mark.parametrize("handle", HANDLES.values(), ids=HANDLES)
def test_handing_on_is_not_looking(handle: Callable[[Any], Any]) -> None:
    assert handle(UnreadCursor("5-0"))


def test_a_cursor_comes_back_as_it_was_handed_out() -> None:
    hidden = hide(StreamRead((), "5-0"))
    assert show(Follow(after=hidden.cursor)) == Follow(after="5-0")
    assert show(ReadStream()) == ReadStream()
    with pytest.raises(CursorRead):
        show(Follow(after="5-0"))  # made up: it may be any entry's


def walked(cell: ExploreCell, blind: bool) -> Search:
    return walk(World(cell, blind=blind), SearchLimits(10**9), float("inf"))


@pytest.mark.parametrize("chunks", [1, 2, 3, 4])
def test_one_set_of_ids_stands_for_all_of_an_ordering_that_does_not_look(chunks: int) -> None:
    """Each append but the first has two ways, and every count is that many times as high."""
    cell = ExploreCell(STREAMS, APPEND, chunks, stream_max_entries=2)
    once, every = walked(cell, blind=True).tally, walked(cell, blind=False).tally
    counts = ("schedules", *Failure)
    assert [getattr(every, name) for name in counts] == [
        getattr(once, name) * 2 ** (chunks - 1) for name in counts
    ]


@pytest.mark.parametrize("fault", STRIKES)
def test_under_a_fault_the_same_can_happen_with_either(fault: str) -> None:
    cell = ExploreCell(STREAMS, APPEND, chunks=2, faults=(fault,))
    once, every = (walked(cell, blind) for blind in (True, False))
    assert once.shortest.keys() == every.shortest.keys()
    assert explore(cell).search.tally == once.tally


def following(after: Callable[[StreamRead], Any]) -> ExploreCell:
    """redis_streams, but for where it follows from."""

    def steps(join: Join) -> ConnectSteps:
        read = yield ReadStream()
        yield SendHistory(read.chunks)
        yield Follow(after=after(read))
        yield SendWelcome()

    return ExploreCell(ConnectOrdering("mine", steps, Feed.STREAM), APPEND, chunks=2)


def next_of(read: StreamRead) -> str:
    """The next serial, by an expression that takes nothing but text."""
    found = re.fullmatch(r"(\d+)-(\d+)", read.cursor)
    assert found is not None
    return f"{found[1]}-{int(found[2]) + 1}"


@pytest.mark.parametrize(
    "after",
    [
        next_of,
        lambda read: f"{int(read.cursor.split('-')[0]) + 1}-0",
        lambda read: read.cursor.replace("-0", "-9"),
        lambda read: "999999-1",
    ],
    ids=["next serial", "next millisecond", "some later serial", "out of the blue"],
)
def test_an_ordering_that_makes_up_a_cursor_is_explored_with_every_kind_of_id(
    after: Callable[[StreamRead], Any],
) -> None:
    cell = following(after)
    result = explore(cell)
    assert result.search.tally == walked(cell, blind=False).tally
    assert result.verdict == "loses"


def test_whoever_goes_back_gets_entries_again_and_loses_none() -> None:
    result = explore(following(lambda read: f"{read.cursor.split('-')[0]}-0"))
    assert set(result.search.shortest) == {Failure.DUPLICATING}
    example = result.search.shortest[Failure.DUPLICATING]
    assert "append_same_ms" in [step.effect for step in example]


@pytest.mark.parametrize("after", ["abc", "", None, 7, "5-"])
def test_following_from_what_is_no_cursor_is_the_error_that_a_node_gives(after: Any) -> None:
    with pytest.raises(OrderingError, match=f"{re.escape(repr(after))} is no stream cursor"):
        explore(following(lambda _: after))


def test_following_twice_is_the_error_that_a_node_gives() -> None:
    def steps(join: Join) -> ConnectSteps:
        yield Follow(after=BEGINNING)
        yield Follow(after=BEGINNING)

    with pytest.raises(OrderingError, match="twice: the ordering follows twice"):
        explore(ExploreCell(ConnectOrdering("twice", steps, Feed.STREAM), APPEND))


def test_an_append_that_timed_out_falls_into_either_millisecond_too() -> None:
    cell = replace(following(next_of), faults=("producer_timeout",))
    world = World(cell)
    effects, stack, seen = set(), [world.initial()], set()
    while stack:
        state = stack.pop()
        if state not in seen:
            seen.add(state)
            moves = [*world.moves(state), *world.optional_moves(state)]
            effects |= {step.effect for step, _ in moves}
            stack += [after for _, after in moves]
    assert {"append", "append_same_ms", "timeout_executed", "timeout_executed_same_ms"} <= effects
