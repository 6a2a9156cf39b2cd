"""A cell as somebody else's checker sees it: SPIN agrees with the explorer."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from call_kit import Call
from explore_kit import PAIRS, toy_connect, toy_write
from wide_kit import share

from chunk7.delivery.effects import ReadHistory, SendHistory
from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import (
    ClientPolicy,
    ConnectOrdering,
    ConnectSteps,
    Join,
    WriteOrdering,
    WriteSteps,
)
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.promela import promela
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.search import explore
from chunk7.simulator.explore.state import ExploreCell

GAP_FILL = CONNECT_ORDERINGS["sequence_gap_fill"]
LUA = WRITE_ORDERINGS["atomic_lua"]
KINDS = (
    Failure.LOSSY,
    Failure.DUPLICATING,
    Failure.OUT_OF_ORDER,
    Failure.REWINDING,
    Failure.STUCK,
)


def spin_finds(cell: ExploreCell, kind: Failure, folder: Path) -> bool:
    """Whether SPIN finds a schedule that fails so."""
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        pytest.skip("no spin and gcc on PATH")
    (folder / "cell.pml").write_text(promela(cell))

    def done(*words: str) -> str:
        run = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    done("spin", f"-D{kind.name}", "-a", "cell.pml")
    done("gcc", "-O0", "-w", "-DSAFETY", "-o", "pan", "pan.c")
    said = done("./pan", "-E", "-m100000")
    assert "Search not completed" not in said or "errors: 1" in said
    return int(re.search(r"errors: (\d+)", said)[1]) > 0  # type: ignore[index]


@pytest.mark.spin
@pytest.mark.parametrize(
    ("connect", "write"), share(pair for pair in PAIRS if pair[0].recovery is None)
)
def test_spin_agrees_who_loses(
    connect: ConnectOrdering, write: WriteOrdering, tmp_path: Path
) -> None:
    cell = ExploreCell(connect, write, chunks=2)
    loses = explore(cell).search.tally.lossy > 0
    assert spin_finds(cell, Failure.LOSSY, tmp_path) == loses


@pytest.mark.spin
@pytest.mark.parametrize(
    ("connect", "write", "joiners", "kind"),
    [
        (GAP_FILL, LUA, 1, Failure.OUT_OF_ORDER),
        (CONNECT_ORDERINGS["history_then_subscribe"], LUA, 1, Failure.DUPLICATING),
        (CONNECT_ORDERINGS["history_then_subscribe"], LUA, 2, Failure.DUPLICATING),
        (CONNECT_ORDERINGS["buffered_merge"], LUA, 2, Failure.REWINDING),
        (toy_connect(["read", "send", "confirmed"], ClientPolicy.TAKES_ALL), LUA, 1, Failure.STUCK),
        (
            toy_connect(["buffer", "read", "release"], ClientPolicy.TAKES_ALL),
            toy_write(["number", "publish", "save"]),
            1,
            Failure.DUPLICATING,
        ),
    ],
    ids=["gap fill", "alone", "two share", "two merge", "unconfirmable", "released too early"],
)
def test_spin_agrees_in_other_ways_to_fail(
    connect: ConnectOrdering, write: WriteOrdering, joiners: int, kind: Failure, tmp_path: Path
) -> None:
    cell = ExploreCell(connect, write, chunks=2, joiners=joiners)
    fails = getattr(explore(cell).search.tally, kind) > 0
    assert spin_finds(cell, kind, tmp_path) == fails


def test_the_model_has_the_orderings_commands_and_branches() -> None:
    text = promela(ExploreCell(CONNECT_ORDERINGS["history_then_subscribe"], LUA, chunks=1))
    body = text[text.index("proctype Producer") : text.index("proctype Store")].splitlines()
    assert body[:3] == [
        "proctype Producer() {",
        "  atomic { /* number_save_and_publish */ counter++; saved++; published++; produced = 1 }",
        "}",
    ]
    join = text[text.index("proctype Join") : text.index("DONE: skip")].splitlines()
    assert [line.strip() for line in join] == [
        "proctype Join(byte j) {",
        "P0: /* read_history */",
        "atomic { if",
        ":: saved == 0 -> goto P1",
        ":: saved == 1 -> goto P2",
        "fi }",
        "P1: /* send_history */",
        "atomic { has_history[j] = 1; ask(j); goto P3 }",
        "P2: /* send_history */",
        "atomic { given(j, 1, 1); has_history[j] = 1; ask(j); goto P4 }",
        "P3: /* subscribe */",
        "atomic { subscribe(j, CLIENT); goto P5 }",
        "P4: /* subscribe */",
        "atomic { subscribe(j, CLIENT); goto P6 }",
        "P5: /* confirmed */",
        "atomic { channel == SUBSCRIBED && sink[j] != NONE; goto P7 }",
        "P6: /* confirmed */",
        "atomic { channel == SUBSCRIBED && sink[j] != NONE; goto P8 }",
        "P7: /* send_welcome */",
        "atomic { skip; done[j] = 1; goto DONE }",
        "P8: /* send_welcome */",
        "atomic { skip; done[j] = 1; goto DONE }",
    ]


def looks_at_receivers() -> WriteOrdering:
    """A producer that the model cannot have: what it does depends on who listens."""

    def steps(chunk: object) -> WriteSteps:
        from chunk7.delivery.effects import NumberSaveAndPublish

        receivers = yield NumberSaveAndPublish(chunk)  # type: ignore[arg-type]
        if receivers:
            yield NumberSaveAndPublish(chunk)  # type: ignore[arg-type]

    return WriteOrdering("mine", steps)


def endless_branches() -> ConnectOrdering:
    """A join whose branches are more than anybody's model should have."""

    def steps(join: Join) -> ConnectSteps:
        for _ in range(30):
            yield SendHistory((yield ReadHistory()))

    return ConnectOrdering("mine", steps)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (ExploreCell(GAP_FILL, LUA, faults=("trim",)), "not with faults"),
        (ExploreCell(CONNECT_ORDERINGS["positioned_merge"], LUA), "not with a recovery"),
        (ExploreCell(GAP_FILL, LUA, stream_max_entries=1), "not with MAXLEN"),
        (ExploreCell(GAP_FILL, looks_at_receivers()), "depends on the number of receivers"),
        (ExploreCell(endless_branches(), LUA), "more than 10000 positions"),
    ],
    ids=["faults", "recovery", "trimmed", "receivers", "too wide"],
)
def test_what_it_does_not_have_is_refused(cell: ExploreCell, reason: str) -> None:
    with pytest.raises(UsageError, match=f"--promela: .*{reason}"):
        promela(cell)


def test_the_command_writes_the_model_of_one_pair(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "cell.pml"
    pairing = ("--connect", "buffered_merge", "--write", "atomic_lua")
    assert call("explore", *pairing, "--promela", file).returncode == 0
    merge = CONNECT_ORDERINGS["buffered_merge"]
    assert file.read_text() == promela(ExploreCell(merge, LUA))
    done = call("explore", "--promela", file)
    assert (done.returncode, done.stderr) == (
        2,
        "chunk7 explore: error: --promela: one --connect and one --write, not 21 pairs\n",
    )
