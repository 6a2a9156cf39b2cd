"""Every mutant is caught, by its own shortest schedule. One that survives is a failing test."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mutants import CAUGHT_BY, EXPLORE, MUTANTS, RUN, SIMULATE
from mutants.mutant import Mutant
from wide_kit import rarely

from chunk7.delivery.life import ONE_BY_ONE, ProducerLife, Retry
from chunk7.delivery.replica import Replica
from chunk7.faults import STRIKES
from chunk7.faults.fault import Situation, Strike
from chunk7.faults.producer_crash import ProducerCrash
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.search import (
    ExploreVerdict,
    SearchLimits,
    explore,
    failures,
    walk,
)
from chunk7.simulator.explore.state import ExploreCell
from chunk7.simulator.explore.world import World, replay

TABLE = Path(__file__).parents[2] / "docs" / "exploration.md"
MUTANT_FILES = sorted((Path(__file__).parents[1] / "mutants").glob("*.py"))


@pytest.mark.parametrize("name", [name for name in MUTANTS if EXPLORE in CAUGHT_BY[name]])
def test_the_explorer_catches(name: str) -> None:
    mutant = MUTANTS[name]
    result = explore(mutant.cell())
    assert result.search.complete
    assert getattr(result.search.tally, mutant.fails) > 0
    assert mutant.fails in result.search.shortest
    loses = mutant.fails in (Failure.LOSSY, Failure.TOLD_RECOVERED)
    assert result.verdict == (ExploreVerdict.LOSES if loses else ExploreVerdict.LOSSLESS)


@pytest.mark.parametrize("name", MUTANTS)
def test_what_it_should_have_been_does_not_fail_so(name: str) -> None:
    mutant = MUTANTS[name]
    terms: dict[str, Any] = {"life": mutant.life, "contract": mutant.contract}
    terms |= {"replica": mutant.replica, "joiners": mutant.joiners}
    result = explore(ExploreCell(*mutant.sound, chunks=3, faults=mutant.faults, **terms))
    assert result.search.complete
    assert getattr(result.search.tally, mutant.fails) == 0


def other_terms(mutant: Mutant) -> Iterator[dict[str, Any]]:
    """No fault, each but the mutant's by itself, and its own with every other answer to it."""
    yield {}
    yield from ({"faults": (name,)} for name in STRIKES if (name,) != mutant.faults)
    if mutant.life.retry is not None:
        others = [None, *(retry for retry in Retry if retry is not mutant.life.retry)]
        for retry in others:
            yield {"faults": mutant.faults, "life": ProducerLife(retry=retry)}
    if mutant.replica is not None:
        yield from ({"replica": replica} for replica in Replica if replica is not mutant.replica)


def fails(cell: ExploreCell, kind: Failure) -> bool:
    return kind in kinds(cell)


def kinds(cell: ExploreCell) -> frozenset[Failure]:
    """In which ways some schedule fails; no counter-examples are sought."""
    search = walk(World(cell, blind=True), SearchLimits(), math.inf)
    assert search.complete
    return frozenset(kind for kind in Failure if getattr(search.tally, kind))


kinds_of_sound = cache(kinds)
"""Several mutants should have been the same."""


LONG = (
    "repeats_all_but_the_last",
    "appends_twice",
    "trusts_what_it_has_just_saved",
    "asks_twice",
    "takes_any_confirmation",
)
"""Mutants that it takes seconds to walk under every fault."""


@pytest.mark.parametrize(
    "name",
    [rarely(name) if name in LONG else name for name, mutant in MUTANTS.items() if mutant.only],
)
def test_nothing_else_catches_it_that_what_it_should_have_been_survives(name: str) -> None:
    mutant = MUTANTS[name]
    bare = {"faults": (), "life": ONE_BY_ONE, "replica": None}
    survived = 0
    for terms in other_terms(mutant):
        sound = ExploreCell(*mutant.sound, chunks=2, joiners=mutant.joiners, **terms)
        if mutant.fails not in kinds_of_sound(sound):
            survived += 1
            cell = replace(mutant.cell(max(mutant.chunks, 2)), **{**bare, **terms})
            assert (terms, fails(cell, mutant.fails)) == (terms, False)
    assert survived > 5


def test_who_begins_again_stores_the_answer_and_who_dies_for_good_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`producer_crash` is both; the mutant is lost with the second alone."""
    cell, both = MUTANTS["saves_when_all_is_said"].cell(), ProducerCrash.strikes

    def begins_again(fault: ProducerCrash, situation: Situation) -> Iterator[Strike]:
        return (one for one in both(fault, situation) if one.effect == "producer_restart")

    assert fails(cell, Failure.LOSSY)
    monkeypatch.setattr(ProducerCrash, "strikes", begins_again)
    assert not fails(cell, Failure.LOSSY)


@pytest.mark.parametrize("name", MUTANTS)
def test_its_schedule_fails_as_its_story_says(name: str) -> None:
    mutant = MUTANTS[name]
    world = World(mutant.cell(mutant.chunks))
    end = replay(world, mutant.shortest)[-1]
    assert world.moves(end) == []
    assert failures(world.outcome(end))[mutant.fails]


@pytest.mark.parametrize("name", MUTANTS)
def test_no_schedule_is_shorter(name: str) -> None:
    mutant = MUTANTS[name]
    for chunks in range(1, mutant.chunks):
        assert mutant.fails not in explore(mutant.cell(chunks)).search.shortest
    shortest = explore(mutant.cell(mutant.chunks)).search.shortest[mutant.fails]
    assert len(shortest) == len(mutant.shortest)


def test_a_client_without_heads_loses_the_tail_and_nothing_else() -> None:
    """Lost chunks always are the last ones: whatever is behind a received chunk is fetched."""
    mutant = MUTANTS["tail_hole"]
    world = World(mutant.cell())
    seen, stack, holes = set(), [world.initial()], set()
    while stack:
        state = stack.pop()
        if state in seen:
            continue
        seen.add(state)
        moves = world.moves(state)
        stack += [after for _, after in moves]
        if not moves:
            holes.add(world.outcome(state).lost[0])
    assert holes == {(), (3,), (2, 3), (1, 2, 3)}


def test_every_mutant_file_is_registered_and_every_mutant_has_a_layer() -> None:
    files = {path.stem for path in MUTANT_FILES} - {"__init__", "mutant"}
    assert files == set(MUTANTS) == set(CAUGHT_BY)
    assert len(MUTANTS) >= 10
    assert all(CAUGHT_BY.values())


def test_the_table_in_the_docs_claims_what_is_tested() -> None:
    cell = r" (yes|-: [^|]+) \|"
    rows = re.findall(rf"^\| `(\w+)` \|.*\|{cell}{cell}{cell}$", TABLE.read_text(), re.M)
    layers = (EXPLORE, SIMULATE, RUN)
    claimed = {
        name: frozenset(layer for layer, cell in zip(layers, cells, strict=True) if cell == "yes")
        for name, *cells in rows
    }
    assert claimed == CAUGHT_BY
