"""`chunk7 explore`: what it prints, and what becomes of broken files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from call_kit import Call

from chunk7.simulator.explore.schedule import Failure, document, load

HEAD = """
from chunk7.delivery.effects import *
from chunk7.delivery.ordering import Feed, connect_ordering, write_ordering
"""
ENDLESS_YIELDS = """
@connect_ordering()
def mine(join):
    while True:
        yield ReadHistory()
"""
ENDLESS_SILENCE = """
@connect_ordering()
def mine(join):
    yield ReadHistory()
    while True:
        pass
"""
SILENT_IN_C = """
import itertools
@connect_ordering()
def mine(join):
    yield ReadHistory()
    sum(itertools.repeat(0))
"""
NEVER_SUBSCRIBES = """
@connect_ordering()
def mine(join):
    print("hello from an ordering file")
    yield SendHistory((yield ReadHistory()))
    yield SendWelcome()
"""
ENDLESS_WRITE = """
@write_ordering()
def mine(chunk):
    while True:
        yield Publish(chunk)
"""


def process(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """`chunk7 explore` as it is started from a shell."""
    return subprocess.run(
        [sys.executable, "-m", "chunk7", "explore", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def ordering_file(folder: Path, body: str) -> str:
    path = folder / "ordering.py"
    path.write_text(HEAD + body)
    return f"{path}:mine"


def test_the_default_matrix_is_complete_and_as_expected(call: Call) -> None:
    done = call("explore", "--json", "--seed", "5")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["schema"] == 2
    cells = found["cells"]
    assert len(cells) == 21
    assert all(cell["complete"] for cell in cells)
    losing = {(cell["connect"], cell["write"]) for cell in cells if cell["verdict"] == "loses"}
    assert losing == {
        ("history_then_subscribe", "publish_then_save"),
        ("history_then_subscribe", "save_then_publish"),
        ("history_then_subscribe", "atomic_multi"),
        ("history_then_subscribe", "atomic_lua"),
        ("subscribe_then_history", "publish_then_save"),
        ("buffered_merge", "publish_then_save"),
    }
    for cell in cells:
        assert ("lossy" in cell["counterexamples"]) == (cell["verdict"] == "loses")
        assert set(cell["counterexamples"]) == {kind for kind in Failure if cell.get(kind)}
        assert cell["transitions"] > cell["states"] > cell["depth"] > 0


def test_the_table_names_cells_and_verdicts_and_draws_what_is_broken() -> None:
    done = process("--connect", "history_then_subscribe,buffered_merge", "--write", "atomic_lua")
    assert done.returncode == 0
    assert "history_then_subscribe" in done.stdout
    assert "<- RISK WINDOW starts" in done.stdout
    assert done.stdout.count("LOST") == 1
    assert "2 cells: 1 loses, 1 lossless; " in done.stdout


def test_where_clients_join_again_the_table_says_how(call: Call) -> None:
    done = call(
        "explore", "--connect", "buffered_merge,sequence_gap_fill", "--write", "atomic_lua",
        "--chunks", 1, "--faults", "slow_client",
    )  # fmt: skip
    words = [line.split() for line in done.stdout.splitlines() if "atomic_lua" in line]
    assert [[word for word in line if word not in "│┃"][2] for line in words] == [
        "resumes", "starts", "resumes",
    ]  # fmt: skip


SUBSCRIBED_FIRST = ("--connect", "subscribe_then_history", "--write", "publish_then_save")


def test_other_failures_are_named_and_drawn_when_asked_for(call: Call) -> None:
    plain = call("explore", *SUBSCRIBED_FIRST).stdout
    assert (
        "also found, drawn by --show: duplicating in 1, out_of_order in 1, rewinding in 1" in plain
    )
    shown = call(
        "explore", *SUBSCRIBED_FIRST, "--show", "duplicating,out_of_order,rewinding"
    ).stdout
    assert "client1 gets chunk 1 twice" in shown
    assert "client1 gets chunk 1 after 2" in shown
    assert "goes back" not in shown  # that is the same schedule
    assert "loses chunk" not in shown
    assert "also found" not in shown
    assert (
        "goes back from chunk 2 to 1"
        in call("explore", *SUBSCRIBED_FIRST, "--show", "rewinding").stdout
    )


def test_verbose_says_how_much_was_explored_and_what_never_happened(call: Call) -> None:
    done = call(
        "explore", "--connect", "buffered_merge", "--write", "atomic_lua", "--chunks", 1,
        "--faults", "trim", "--verbose",
    )  # fmt: skip
    (row,) = (line for line in done.stdout.splitlines() if "│" in line and "trim" in line)
    assert row.split()[1::2] == ["buffered_merge", "atomic_lua", "34", "47", "9", "trim"]


def test_out_holds_the_document_the_schedules_and_their_drawings(
    call: Call, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "folder"
    done = call(
        "explore", "--connect", "buffered_merge", "--write", "all", "--chunks", 1,
        "--faults", "trim, store_kill_pubsub", "--joiners", 2, "--json", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0
    assert (out / "explore.json").read_text() == done.stdout
    cells = json.loads(done.stdout)["cells"]
    assert [cell["verdict"] for cell in cells] == ["loses"] * 8
    assert [cell["resumes"] for cell in cells] == [True, False] * 4
    for cell in cells:
        for kind, example in cell["counterexamples"].items():
            again = "" if cell["resumes"] else "-starts-over"
            name = f"{cell['connect']}-{cell['write']}{again}-{kind}"
            schedule = load(out / f"{name}.json")
            assert schedule.faults == ("store_kill_pubsub", "trim")
            assert schedule.resumes == cell["resumes"]
            assert document(schedule) == example
            assert ("LOST" in (out / f"{name}.txt").read_text()) == (kind == "lossy")
    assert len(list(out.iterdir())) == 1 + sum(2 * len(cell["counterexamples"]) for cell in cells)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--write", "publish_then_save", "--fail-on", "loses"), 99),
        (("--write", "publish_then_save", "--fail-on", "loses", "--json"), 99),
        (("--write", "publish_then_save", "--fail-on", "unknown"), 0),
        (("--write", "publish_then_save"), 0),
        (("--write", "atomic_lua", "--fail-on", "loses,unknown"), 0),
        (("--write", "atomic_lua", "--fail-on", "loses,unknown", "--max-schedules", "2"), 99),
        (("--write", "atomic_lua", "--fail-on", "stuck"), 0),
        (("--write", "publish_then_save", "--fail-on", "lossy"), 99),
        (("--write", "atomic_lua", "--fail-on", "doubled"), 2),
    ],
)
def test_the_proof_can_gate(call: Call, words: tuple[str, ...], code: int) -> None:
    """It used to end with 0 whatever it had found."""
    ended = call("explore", "--connect", "buffered_merge", "--chunks", "2", *words)
    assert ended.returncode == code
    if code == 2:
        allowed = ", ".join(("loses", "unknown", *Failure))
        assert ended.stderr == f"chunk7 explore: error: --fail-on doubled: one of {allowed}\n"
    else:
        assert ended.stdout


def test_a_bound_makes_the_verdict_unknown(call: Call) -> None:
    cell = ("--connect", "buffered_merge", "--write", "atomic_lua")
    done = call("explore", *cell, "--max-schedules", 1, "--json")
    [found] = json.loads(done.stdout)["cells"]
    assert (found["verdict"], found["complete"]) == ("unknown", False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--connect", "nope"], "--connect nope: one of history_then_subscribe, "),
        (["--faults", "flood"], "--faults flood: one of node_kill, "),
        (
            ["--faults", "client_leave"],
            "--faults client_leave: only those who stay can feel it: with --joiners 2",
        ),
        (
            ["--survival", "--faults", "client_leave_popping"],
            "--faults client_leave_popping: only those who stay can feel it: with --joiners 2",
        ),
        (
            ["--faults", "network_cut"],
            "--faults network_cut: has no schedule of its own: its schedules are those of "
            "store_kill_pubsub",
        ),
        (
            ["--faults", "store_latency"],
            "--faults store_latency: has no schedule of its own: it only delays, and every order",
        ),
        (["--chunks", "0"], "--chunks 0: must be between 1 and 20"),
        (["--show", "everything"], "--show everything: one of lossy, duplicating, "),
        (["--joiners", "3"], "--joiners 3: must be between 1 and 2"),
        (["--connect", "redis_streams", "--write", "atomic_lua"], "pairs with none of --write"),
        (["--connect", "no/such/file.py:mine"], "--connect: no ordering file no/such/file.py"),
        (["--out", "/proc/nowhere", "--chunks", "1"], "--out /proc/nowhere: "),
        (["--writers", "5"], "--writers 5: must be between 1 and 4"),
        (["--overlap", "0"], "--overlap 0: must be between 1 and 4"),
        (["--retry", "never", "--faults", "producer_timeout"], "--retry never: one of same, new"),
        (["--retry", "new"], "--retry new: needs --faults producer_timeout, for no other loses a"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(call: Call, arguments: list[str], says: str) -> None:
    done = call("explore", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.startswith("chunk7 explore: error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "body", "code", "says"),
    [
        ("--connect", "def mine(:", 2, "ordering.py:4: invalid syntax"),
        ("--connect", "mine = 7", 2, "has no ConnectOrdering named 'mine'"),
        ("--connect", "1 / 0", 2, "does not load: ZeroDivisionError"),
        (
            "--connect",
            "@connect_ordering()\ndef mine(join):\n    yield 'sub'",
            1,
            "yielded 'sub', which is no effect",
        ),
        (
            "--connect",
            "@connect_ordering()\ndef mine(join):\n    return None",
            1,
            "mine: ",
        ),
        (
            "--connect",
            "@connect_ordering()\ndef mine(join):\n    yield Save(None)",
            1,
            "Save belongs to the other side",
        ),
        (
            "--connect",
            "@connect_ordering()\ndef mine(join):\n    yield SendHistory(None)",
            1,
            "mine: cannot perform SendHistory(chunks=None, cursor=None): 'NoneType' object is",
        ),
        (
            "--write",
            "@write_ordering()\ndef mine(chunk):\n    yield Save(None)",
            1,
            "mine: cannot perform Save(chunk=None): ",
        ),
        (
            "--connect",
            "@connect_ordering()\ndef mine(join):\n    yield Subscribe(to='both')",
            1,
            "mine: the ordering raised ValueError: 'both' is not a valid Sink",
        ),
        ("--connect", ENDLESS_YIELDS, 1, "asked for more than 1000 effects"),
        ("--write", ENDLESS_WRITE, 1, "asked for more than 1000 effects"),
        ("--connect", "import os; os._exit(0)", 1, "has ended the process"),
        ("--connect", "raise SystemExit", 1, "has ended the process"),
    ],
    ids=[
        "syntax error",
        "no ordering",
        "raises on loading",
        "unknown effect",
        "no generator",
        "effect of the other side",
        "sends nothing",
        "saves nothing",
        "unknown sink",
        "yields for ever",
        "producer yields for ever",
        "exits hard",
        "exits",
    ],
)
def test_a_broken_file_is_a_clear_error_and_never_a_hang(
    call: Call, tmp_path: Path, option: str, body: str, code: int, says: str
) -> None:
    other = ("--write", "atomic_lua") if option == "--connect" else ("--connect", "buffered_merge")
    done = call("explore", option, ordering_file(tmp_path, body), *other)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "body",
    [ENDLESS_SILENCE, SILENT_IN_C, "while True: pass"],
    ids=["in Python", "in C", "on loading"],
)
def test_a_file_that_loops_for_ever_is_given_up(call: Call, tmp_path: Path, body: str) -> None:
    test_a_broken_file_is_a_clear_error_and_never_a_hang(
        call, tmp_path, "--connect", body, 1, "seems to loop for ever"
    )


def test_an_ordering_that_never_subscribes_loses_and_cannot_spoil_the_json(tmp_path: Path) -> None:
    spec = ordering_file(tmp_path, NEVER_SUBSCRIBES)
    done = process("--connect", spec, "--write", "atomic_lua", "--json")
    assert done.returncode == 0
    (cell,) = json.loads(done.stdout)["cells"]
    assert (cell["connect"], cell["verdict"]) == (spec, "loses")
    assert "hello from an ordering file" in done.stderr


@pytest.mark.parametrize("more", [[], ["--survival", "--faults", "trim,deaf_node"]], ids=len)
def test_several_processes_find_what_one_finds(call: Call, more: list[str]) -> None:
    found = [
        call(
            "explore", "--connect", "buffered_merge,redis_streams", *more, "--json", "--jobs", jobs
        )
        for jobs in ("1", "3")
    ]
    assert found[0].stdout == found[1].stdout != ""


def test_liveness_says_who_starves_and_draws_it(call: Call, tmp_path: Path) -> None:
    pairing = ("--connect", "subscribe_then_history", "--write", "publish_then_save,atomic_lua")
    done = call("explore", *pairing, "--liveness", "--out", tmp_path, "--fail-on", "starves")
    assert done.returncode == 99
    assert "From here on, for ever: nothing" in done.stdout
    assert "2 cells: 1 converges, 1 starves" in done.stdout
    cells = json.loads((tmp_path / "liveness.json").read_text())["liveness"]
    assert [(cell["write"], cell["verdict"]) for cell in cells] == [
        ("publish_then_save", "starves"),
        ("atomic_lua", "converges"),
    ]
    assert call("explore", *pairing, "--liveness", "--fail-on", "restless").returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--liveness", "--survival"], "--liveness: not with --survival: one at a time"),
        (["--liveness", "--show", "all"], "--show: not with --liveness"),
        (
            ["--liveness", "--fail-on", "loses"],
            "--fail-on loses: one of starves, unfinished, restless, unknown",
        ),
    ],
    ids=["two modes", "show", "a verdict of another kind"],
)
def test_liveness_refuses_what_it_has_no_use_for(call: Call, options: list[str], said: str) -> None:
    done = call("explore", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("question", ["cells", "liveness", "properties"])
def test_every_document_names_the_terms_that_are_not_the_default(
    call: Call, tmp_path: Path, question: str
) -> None:
    """With --liveness the contract was missing, with --properties the client, too."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from chunk7.delivery.properties import reader_property\n"
        "@reader_property\ndef anything(shown, due):\n    return True\n"
    )
    ask = {"cells": (), "liveness": ("--liveness",), "properties": ("--properties", file)}
    terms = ("--contract", "from-welcome", "--client", "fills_gaps", "--writers", "2")
    pairing = ("--connect", "buffered_merge", "--write", "atomic_lua", "--chunks", "1")
    done = call("explore", *pairing, *terms, *ask[question], "--replica", "all", "--json")
    [cell] = json.loads(done.stdout)[question]
    assert {name: cell[name] for name in ("life", "replica", "client", "contract")} == {
        "life": {"writers": 2, "overlap": 1, "retry": None},
        "replica": "all",
        "client": "fills_gaps",
        "contract": "from-welcome",
    }
