"""Mutants live: each fails as its story says, and the pair it should have been does not.

Three runs, because what makes a mutant visible would spoil another's: a producer that is slow
between its writes, answers of 10 chunks, trimmed streams. By the law each mutant makes 50 failures
or more; 10 are asked for.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import valid_run
from mutants import CAUGHT_BY, MUTANTS, RUN

from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.simulator.explore.schedule import Failure

pytestmark = [pytest.mark.live, pytest.mark.measured, pytest.mark.timeout(400)]

TESTS = Path(__file__).parents[1]
EXAMPLES = TESTS.parent / "examples" / "orderings"
LOAD = (
    *("--users", 60, "--sessions", 10, "--chunk-rate", 50, "--nodes", 2, "--duration", 1),
    *("--node-work-ms", 20),
)
ANSWER_CHUNKS = 10
COUNTS = {
    Failure.LOSSY: "chunks_lost",
    Failure.DUPLICATING: "chunks_duplicate",
    Failure.OUT_OF_ORDER: "chunks_out_of_order",
}
Results = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True)
class LiveRun:
    """The mutants of one run, which has the pairs that they should have been, too."""

    mutants: tuple[str, ...]
    words: tuple[object, ...] = ()
    short_answers: bool = False

    @property
    def cells(self) -> tuple[object, ...]:
        """--connect and --write; mutants as files, as a user would give them."""
        options: dict[str, dict[str, None]] = {"--connect": {}, "--write": {}}
        for name in self.mutants:
            mutant = MUTANTS[name]
            for ordering in (mutant.connect, mutant.write, *mutant.sound):
                option = "--connect" if isinstance(ordering, ConnectOrdering) else "--write"
                options[option][spec(name, ordering)] = None
        return tuple(
            word for option, specs in options.items() for word in (option, ",".join(specs))
        )


RUNS = {
    "nodes": LiveRun(
        (
            "forgetful_release",
            "history_up_to_an_old_head",
            "released_before_the_history",
            "dollar_reread",
            "reads_the_tail_last",
            "releases_from_the_tail",
        )
    ),
    "producers": LiveRun(
        ("publish_before_save", "reset_sequence_after_restart"),
        ("--save-lag-ms", 80),
        short_answers=True,
    ),
    "streams": LiveRun(("two_subscriptions", "trim_too_short"), ("--stream-max-entries", 5)),
}
RUN_OF = {name: run for run, live in RUNS.items() for name in live.mutants}


def spec(mutant: str, ordering: ConnectOrdering | WriteOrdering) -> str:
    """How the ordering is named on the command line."""
    if ordering.steps.__module__ == f"mutants.{mutant}":
        return f"{TESTS}/mutants/{mutant}.py:{ordering.name}"
    example = EXAMPLES / f"{ordering.name}.py"
    return f"{example}:{ordering.name}" if example.exists() else ordering.name


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """By run, then by pair."""
    answers = tmp_path_factory.mktemp("answers")
    lines = (json.dumps({"text": f"t{i}", "at_ms": 20 * i}) for i in range(ANSWER_CHUNKS))
    (answers / "short.jsonl").write_text("\n".join(lines))
    search_path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    environment = {"PYTHONPATH": search_path}  # the files import `mutants`
    found: dict[str, Results] = {}
    for name, live in RUNS.items():
        short = ("--answers", answers) if live.short_answers else ()
        words = (*live.cells, *LOAD, *live.words, *short)
        ended = valid_run(
            tmp_path_factory.mktemp(name), *words, "--no-report", environment=environment
        )
        assert ended.code == 0, ended.stderr
        found[name] = by_pair(ended.document["results"])
    return found


def by_pair(results: list[dict[str, Any]]) -> Results:
    return {(result["connect"], result["write"]): result for result in results}


@pytest.mark.parametrize("name", [name for name in MUTANTS if RUN in CAUGHT_BY[name]])
def test_the_live_run_catches(name: str, results: dict[str, Results]) -> None:
    mutant = MUTANTS[name]
    assert mutant.client is None
    found = results[RUN_OF[name]][mutant.connect.name, mutant.write.name]
    assert found[COUNTS[mutant.fails]] >= 10


def test_a_handover_from_the_cursor_to_the_newest_entry_is_named_as_the_cause(
    results: dict[str, Results],
) -> None:
    mutant = MUTANTS["dollar_reread"]
    found = results[RUN_OF["dollar_reread"]][mutant.connect.name, mutant.write.name]
    assert set(found["causes"]) == {"handover_gap"}


@pytest.mark.parametrize("name", [name for name in MUTANTS if RUN in CAUGHT_BY[name]])
def test_what_it_should_have_been_does_not_fail_so(name: str, results: dict[str, Results]) -> None:
    mutant = MUTANTS[name]
    run = "nodes" if mutant.stream_max_entries else RUN_OF[name]  # there streams are not trimmed
    connect, write = mutant.sound
    assert results[run][connect.name, write.name][COUNTS[mutant.fails]] == 0
