"""Every mutant is caught, by its own shortest schedule. One that survives is a failing test."""

import re
from pathlib import Path
from typing import Any

import pytest
from mutants import CAUGHT_BY, EXPLORE, MUTANTS, RUN, SIMULATE

from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.search import ExploreVerdict, explore, failures
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
    result = explore(ExploreCell(*mutant.sound, chunks=3, faults=mutant.faults, **terms))
    assert result.search.complete
    assert getattr(result.search.tally, mutant.fails) == 0


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
