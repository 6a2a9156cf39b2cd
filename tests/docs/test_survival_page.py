"""docs/survival.md: how its tables are drawn, and that exploring still says what they say."""

from unittest.mock import Mock

import pytest

from benchmarks import survival
from benchmarks.survival import NONE, PAGE, SPECS, Outcome
from chunk7.delivery.errors import Chunk7Error
from chunk7.faults import LIVE
from chunk7.faults.schedule import parse_fault

WORDS = {"never": "keeps", "can": "loses"}


def outcome(fault: str, connect: str, lost: int, verdict: str, undetermined: int = 0) -> Outcome:
    causes = {"store_reconnect": lost} if lost else {}
    cost = (3.0, None)
    return Outcome(
        fault, connect, "atomic_lua", 100, lost, undetermined, causes, True, verdict, cost
    )


def test_a_cell_has_what_was_lost_and_what_can_be() -> None:
    outcomes = [
        outcome(NONE, "buffered_merge", 0, "keeps"),
        outcome(NONE, "positioned_merge", 0, "keeps"),
        outcome("store_kill_pubsub", "buffered_merge", 38, "loses", undetermined=2),
        outcome("store_kill_pubsub", "positioned_merge", 1, "keeps"),
    ]
    assert survival.page_text(outcomes, "--users 4 ") == (
        "`python -m benchmarks.survival --users 4`\n"
        "\n"
        "### atomic_lua\n"
        "\n"
        "| fault | buffered_merge | positioned_merge |\n"
        "|---|---|---|\n"
        "| no fault | 0 / never | 0 / never |\n"
        "| `store_kill_pubsub` | **38** +2 / can | **1** / never ! |\n"
        "| commands a join, a chunk | 3.0, ? | 3.0, ? |\n"
        "\n"
        "4 pairs of an ordering and a fault, 400 chunks expected; 1 where a run lost what "
        "exploring calls impossible.\n"
    )


def test_every_fault_that_strikes_live_is_in_the_table() -> None:
    specs = {name: spec for name, spec in SPECS.items() if spec}
    assert {parse_fault(spec).fault.name for spec in specs.values()} == LIVE.keys()


@pytest.mark.parametrize("fault", [NONE, "store_kill_pubsub", "stale_read", "evict"])
def test_exploring_says_what_the_page_says(fault: str) -> None:
    shown = verdicts_of(PAGE.read_text(), fault)
    assert shown == survival.explored(fault)


def verdicts_of(page: str, fault: str) -> dict[tuple[str, str], str]:
    """Of one row in each of the page's tables."""
    found, write, connects = {}, "", [""]
    label = "no fault" if fault == NONE else f"`{fault}`"
    for line in page.splitlines():
        if line.startswith("### "):
            write = line[4:]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "fault":
            connects = cells[1:]
        elif cells[0] == label and write:
            for connect, cell in zip(connects, cells[1:], strict=True):
                found[connect, write] = WORDS[cell.partition("/")[2].strip(" !")]
    return found


def test_a_run_that_fails_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One cluster of twenty that did not start took the table of all with it, after 19 minutes."""

    def outcomes_of(name: str, *_: object) -> list[Outcome]:
        if name == "evict":
            raise Chunk7Error("no cluster")
        return [outcome(name, "buffered_merge", 0, "keeps")]

    monkeypatch.setattr(survival, "outcomes_of", outcomes_of)
    assert survival.main(["--no-page", "--faults", "none,evict,trim"]) == 1
    said = capsys.readouterr()
    assert "| `trim` | 0 / never |" in said.out
    assert "evict" not in said.out
    assert said.err.splitlines()[1] == "evict: no cluster"
    assert said.err.splitlines()[-1] == "not in the table, as its run failed: evict"


def test_a_run_that_is_not_valid_is_made_once_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [Mock(), Mock()]
    for run, valid in zip(runs, (False, True), strict=True):
        run.summary = Mock(valid=valid, invalid_because=["a busy machine"], results=[])
    monkeypatch.setattr(survival, "explored", lambda _: {})
    monkeypatch.setattr(survival, "struck", lambda *_: runs.pop(0))
    assert (list(survival.outcomes_of("trim", 1.0, 1, 1)), runs) == ([], [])
    assert capsys.readouterr().err == (
        "trim: once more, as the run was not valid: a busy machine\n"
    )
