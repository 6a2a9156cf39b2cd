"""`chunk7 explore --survival`: the matrix, its files, and what is refused."""

import json
from pathlib import Path

import pytest
from call_kit import Call

from chunk7.simulator.explore.schedule import document, load

ATOMIC = ("--survival", "--write", "atomic_lua", "--chunks", 1)


def table(out: str) -> list[list[str]]:
    """The words of each row."""
    return [line.split() for line in out.partition("\n\n")[0].splitlines()[1:]]


def test_it_has_a_row_a_pair_and_a_column_a_fault(call: Call) -> None:
    done = call(
        "explore", *ATOMIC, "--connect", "history_then_subscribe,buffered_merge,positioned_merge",
        "--faults", "store_kill_pubsub,trim,node_kill,evict",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 chunk, 1 client, one fault at a time")
    assert table(done.stdout) == [
        ["store_"],
        ["connect", "no", "node_", "kill_"],
        ["x", "write", "fault", "kill", "pubsub", "evict", "trim"],
        ["history_then_subscribe"],
        ["atomic_lua", "loses", "loses", "loses", "loses", "loses"],
        ["buffered_merge"],
        ["atomic_lua", "keeps", "keeps", "loses", "loses", "keeps"],
        ["positioned_merge"],
        ["atomic_lua", "keeps", "keeps", "keeps", "loses", "keeps"],
    ]
    assert done.stdout.splitlines()[-1] == "12 cells: 5 keeps, 7 loses (4 with no fault, too)"


def test_it_says_what_stands_for_a_fault_that_has_no_schedules(call: Call) -> None:
    words = ("--connect", "buffered_merge", "--faults", "network_cut,store_pause")
    done = call("explore", *ATOMIC, *words)
    assert table(done.stdout)[-1] == ["atomic_lua", "keeps", "keeps", "loses"]
    assert done.stdout.splitlines()[-3:-1] == [
        "store_pause: only delays, and every order is explored anyway: as with no fault",
        "network_cut: has no schedule of its own: as store_kill_pubsub",
    ]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_what_does_not_fit_stands_below(
    call: Call, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out = call("explore", *ATOMIC, "--connect", "buffered_merge").stdout
    tables = out.rpartition("\n\n")[0]
    assert max(map(len, tables.splitlines())) <= width
    assert "…" not in out
    verdicts = [word for line in tables.splitlines() for word in line.split()[1:]]
    assert verdicts.count("loses") == 12
    assert "21 cells: 9 keeps, 12 loses\n" in out


def test_out_has_the_rows_and_the_schedules_that_lose(call: Call, tmp_path: Path) -> None:
    words = ("--connect", "history_then_subscribe,buffered_merge", "--faults", "evict,node_kill")
    done = call("explore", *ATOMIC, *words, "--json", "--out", tmp_path)
    assert (tmp_path / "survival.json").read_text() == done.stdout
    rows = json.loads(done.stdout)["survival"]
    assert [{**row, "schedule": bool(row["schedule"])} for row in rows[2:]] == [
        {
            "connect": "buffered_merge",
            "write": "atomic_lua",
            "fault": fault,
            "same_as": fault,
            "verdict": verdict,
            "without_fault": "keeps",
            "schedule": verdict == "loses",
        }
        for fault, verdict in (("node_kill", "keeps"), ("evict", "loses"))
    ]
    name = "buffered_merge-atomic_lua-evict.json"
    assert {path.name for path in tmp_path.iterdir()} == {"survival.json", name}
    assert document(load(tmp_path / name)) == rows[3]["schedule"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--faults", "evict", "--fail-on", "loses"), 99),
        (("--faults", "evict"), 0),
        (("--faults", "node_kill", "--fail-on", "loses,unknown"), 0),
        (("--faults", "node_kill", "--fail-on", "unknown", "--max-schedules", 1), 99),
    ],
)
def test_survival_can_gate(call: Call, words: tuple[object, ...], code: int) -> None:
    assert call("explore", *ATOMIC, "--connect", "buffered_merge", *words).returncode == code


def test_an_ordering_of_ones_own_is_tried_as_well(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "from chunk7.delivery.effects import *\n"
        "from chunk7.delivery.ordering import connect_ordering\n"
        "@connect_ordering()\n"
        "def own(join):\n"
        "    yield SendHistory((yield ReadHistory()))\n"
        "    yield SendWelcome()\n"
    )
    done = call("explore", *ATOMIC, "--connect", f"{file}:own", "--faults", "trim", "--json")
    [row] = json.loads(done.stdout)["survival"]
    assert (row["connect"], row["without_fault"]) == (f"{file}:own", "loses")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--survival", "--faults", "flood"), "--faults flood: one of node_kill, node_pause, "),
        (("--survival", "--show", "stuck"), "--show: not with --survival; explore the fault by"),
        (("--survival", "--verbose"), "--verbose: not with --survival; explore the fault by"),
        (("--survival", "--connect", "nope"), "--connect nope: one of history_then_subscribe, "),
        (("--survival", "--fail-on", "keeps"), "--fail-on keeps: one of loses, unknown"),
        (("--survival", "--out", "/proc/nowhere", *ATOMIC, "--faults", "trim"), "--out /proc/no"),
        (("--faults", "all"), "--faults all: only with --survival, which explores each by itself"),
    ],
)
def test_what_it_refuses_is_one_line(call: Call, words: tuple[object, ...], says: str) -> None:
    done = call("explore", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"chunk7 explore: error: {says}")
