"""Ends, statuses and contracts, held against a model of a few dozen lines that shares no code.

The model is one producer, one client and one chunk. Its events are written out by hand: what the
producer does in turn, what the node does in turn, and Pub/Sub in between, in every order.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mutants.status_after_the_history import (
    done_at_the_end,
    status_after_the_history,
    status_before_the_history,
)

from chunk7.delivery.chunk import Chunk, End
from chunk7.delivery.contract import Contract
from chunk7.delivery.effects import NextSeq, Publish, Save, WriteEffect
from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering, WriteSteps
from chunk7.delivery.registry import performed_live, resolve
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write.atomic_lua import atomic_lua
from chunk7.producer.write.save_then_publish import save_then_publish
from chunk7.simulator.explore.drawing import draw, rerun
from chunk7.simulator.explore.schedule import Failure, document, parse
from chunk7.simulator.explore.search import Exploration, explore
from chunk7.simulator.explore.state import ExploreCell

# --- the model ---------------------------------------------------------------------------------

CONNECTS = {
    "history_then_subscribe": ("read", "send", "subscribe", "confirmed"),
    "subscribe_then_history": ("subscribe", "confirmed", "read", "send"),
    "buffered_merge": ("buffer", "confirmed", "read", "send", "release"),
    "status_before_the_history": (
        *("buffer", "confirmed", "status", "read", "send", "release", "tell"),
    ),
    "status_after_the_history": (
        *("buffer", "confirmed", "read", "send", "release", "status", "tell"),
    ),
}
"""The steps of a node, by words."""


def ways(producer: tuple[str, ...], node: tuple[str, ...]) -> set[frozenset[str]]:
    """All the ways in which a run ends: which of lossy, unfinished and false_end it is."""
    found: set[frozenset[str]] = set()

    def run(p: int, n: int, s: dict[str, Any]) -> None:
        moved = False
        if p < len(producer):
            moved = True
            verb, what = producer[p].split()
            saved, mail, status = s["saved"], s["mail"], s["status"]
            if verb == "save":
                saved = (*saved, what)
            elif verb == "publish" and s["heard"]:
                mail = (*mail, what)
            elif verb == "set":
                status = True
            run(p + 1, n, s | {"saved": saved, "mail": mail, "status": status})
        if s["sent"] and not s["heard"]:
            moved = True
            run(p, n, s | {"heard": True})
        if s["mail"]:
            moved = True
            first, *rest = s["mail"]
            after = s | {"mail": tuple(rest)}
            held = node[0] == "buffer" and "release" not in node[:n]
            after = after | {"held": (*s["held"], first)} if held else given(after, (first,))
            run(p, n, after)
        if n < len(node) and not (node[n] == "confirmed" and not s["heard"]):
            moved = True
            run(p, n + 1, step(node[n], s))
        if not moved:
            kinds = {"lossy": "c" not in s["got"], "unfinished": not s["told"]}
            kinds["false_end"] = s["short"]
            found.add(frozenset(kind for kind, so in kinds.items() if so))

    start = {"saved": (), "mail": (), "held": (), "read": (), "got": frozenset()}
    flags = dict.fromkeys(("status", "seen", "sent", "heard", "told", "short"), False)
    run(0, 0, start | flags)
    return found


def step(word: str, s: dict[str, Any]) -> dict[str, Any]:
    """The node does it."""
    match word:
        case "subscribe" | "buffer":
            return s | {"sent": True}
        case "read":
            return s | {"read": s["saved"]}
        case "status":
            return s | {"seen": s["status"]}
        case "send":
            return given(s, s["read"])
        case "release":
            return given(s, s["held"])
        case "tell" if s["seen"]:
            return given(s, ("e",))
    return s


def given(s: dict[str, Any], items: tuple[str, ...]) -> dict[str, Any]:
    """The client is sent chunks first, then ends, as a frame of each kind."""
    for item in sorted(items):
        if item == "e":
            s = s | {"told": True, "short": s["short"] or "c" not in s["got"]}
        s = s | {"got": s["got"] | {item}}
    return s


# --- both ---------------------------------------------------------------------------------------


def writer(producer: tuple[str, ...]) -> WriteOrdering:
    """The same as a write ordering: all of it is an ending, and chunks are not written before."""

    def ending(chunks: tuple[Chunk, ...]) -> WriteSteps:
        chunk = chunks[0].numbered((yield NextSeq()))
        items = {"c": chunk, "e": End(chunk.session_id).numbered((yield NextSeq()))}
        verbs: dict[str, type[Save] | type[Publish]] = {"save": Save, "publish": Publish}
        for verb, what in map(str.split, producer):
            yield verbs[verb](items[what])

    def nothing(_: Chunk) -> Iterator[WriteEffect]:
        yield from ()

    return WriteOrdering("toy", nothing, ending=ending)  # type: ignore[arg-type]


PRODUCERS = {
    "the end is saved first": ("save c", "publish c", "save e", "publish e"),
    "the end is published first": ("save c", "publish c", "publish e", "save e"),
    "the end is only published": ("save c", "publish c", "publish e"),
    "the answer is stored after its end": ("publish c", "publish e", "save c", "save e"),
    "the end is stored before the last chunk": ("publish c", "save e", "publish e", "save c"),
}
KINDS = (Failure.LOSSY, Failure.UNFINISHED, Failure.FALSE_END)


def kinds(result: Exploration) -> set[str]:
    assert result.search.complete
    return {str(kind) for kind in KINDS if getattr(result.search.tally, kind)}


@pytest.mark.parametrize("name", ["history_then_subscribe", "subscribe_then_history"])
@pytest.mark.parametrize("told", PRODUCERS)
def test_the_model_finds_the_same_failures(name: str, told: str) -> None:
    cell = ExploreCell(CONNECT_ORDERINGS[name], writer(PRODUCERS[told]), chunks=1)
    assert kinds(explore(cell)) == set().union(*ways(PRODUCERS[told], CONNECTS[name]))


@pytest.mark.parametrize("told", PRODUCERS)
def test_the_model_finds_the_same_failures_behind_a_buffer(told: str) -> None:
    """Nothing is sent twice there, so a chunk that the history had is not held for long."""
    cell = ExploreCell(CONNECT_ORDERINGS["buffered_merge"], writer(PRODUCERS[told]), chunks=1)
    assert kinds(explore(cell)) == set().union(*ways(PRODUCERS[told], CONNECTS["buffered_merge"]))


@pytest.mark.parametrize("connect", [status_before_the_history, status_after_the_history])
def test_the_model_finds_the_same_failures_of_a_status(connect: ConnectOrdering) -> None:
    """done_at_the_end saves and publishes as one event, which no order of events separates."""
    written = ("save c", "publish c", "set done")
    expected = set().union(*ways(written, CONNECTS[connect.name]))
    assert kinds(explore(ExploreCell(connect, done_at_the_end, chunks=1))) == expected


# --- literal facts ------------------------------------------------------------------------------


def test_an_end_that_nobody_stores_leaves_late_joiners_waiting_and_nothing_is_lost() -> None:
    told = writer(PRODUCERS["the end is only published"])
    result = explore(ExploreCell(CONNECT_ORDERINGS["buffered_merge"], told, chunks=1))
    assert kinds(result) == {"unfinished"}


def test_an_end_is_in_no_document_of_a_cell_without_one() -> None:
    cell = explore(ExploreCell(CONNECT_ORDERINGS["buffered_merge"], atomic_lua, chunks=1))
    assert not {"unfinished", "false_end", "told_recovered", "foreign"} & cell.document().keys()
    assert "contract" not in cell.document()


def test_from_the_welcome_on_not_even_the_bug_loses() -> None:
    cell = ExploreCell(CONNECT_ORDERINGS["history_then_subscribe"], save_then_publish)
    assert explore(cell).search.tally.lossy
    due_later = ExploreCell(cell.connect, cell.write, contract=Contract.FROM_WELCOME)
    assert not explore(due_later).search.tally.lossy


def test_from_this_message_on_the_earlier_one_is_foreign() -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["buffered_merge"], atomic_lua, contract=Contract.FROM_MESSAGE
    )
    result = explore(cell)
    assert not result.search.tally.lossy
    assert result.search.tally.foreign
    assert result.document()["contract"] == "from-message"


def test_a_schedule_of_a_contract_is_written_down_read_and_drawn() -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["buffered_merge"], atomic_lua, contract=Contract.FROM_MESSAGE
    )
    example = explore(cell).counterexamples[Failure.FOREIGN]
    assert parse(json.loads(json.dumps(document(example)))) == example
    drawing = draw(rerun(cell, example), failure=Failure.FOREIGN)
    assert "client1 is shown what is not of its answer" in drawing
    assert drawing.count("<- shown what is NOT ITS") == 1


def test_a_false_end_is_marked_where_the_client_is_told() -> None:
    cell = ExploreCell(status_after_the_history, done_at_the_end, chunks=1)
    example = explore(cell).counterexamples[Failure.FALSE_END]
    drawing = draw(rerun(cell, example), failure=Failure.FALSE_END)
    (line,) = [line for line in drawing.splitlines() if "told the END, lacks 1" in line]
    assert "send end" in line
    assert "client1 learns that it is over" in drawing


def test_a_contract_that_there_is_not_is_refused_in_a_line() -> None:
    cell = ExploreCell(CONNECT_ORDERINGS["buffered_merge"], atomic_lua, chunks=1)
    example = explore(ExploreCell(cell.connect, done_at_the_end, chunks=1)).counterexamples
    head = document(example[Failure.UNFINISHED]) | {"contract": "most"}
    with pytest.raises(UsageError, match="contract 'most': one of whole, from-welcome"):
        parse(head)


def test_an_ending_is_not_taken_along_to_a_real_store() -> None:
    with pytest.raises(UsageError, match="--write done_at_the_end: has an ending, which only"):
        performed_live(done_at_the_end, "--write")


EXAMPLES = Path(__file__).parents[2] / "examples" / "endings.py"


def test_the_examples_keep() -> None:
    status_then_history = resolve(f"{EXAMPLES}:status_then_history", {}, ConnectOrdering)
    pairs = [
        (CONNECT_ORDERINGS["buffered_merge"], "saved_end"),
        (CONNECT_ORDERINGS["positioned_merge"], "saved_end"),
        (CONNECT_ORDERINGS["sequence_gap_fill"], "saved_end"),
        (status_then_history, "status_end"),
    ]
    for connect, name in pairs:
        write = resolve(f"{EXAMPLES}:{name}", {}, WriteOrdering)
        assert kinds(explore(ExploreCell(connect, write, chunks=2))) == set()
