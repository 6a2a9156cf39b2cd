"""`chunk7 compare` as a user meets it: what it prints, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command import chunk7

from chunk7 import cli
from chunk7.analysis.manifest import Manifest, Traits, write_manifest
from chunk7.analysis.run_comparison import MARGINS, Comparison
from chunk7.analysis.study import open_study
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.recorder import Recorder
from chunk7.wire.tables import Via

CELL = Cell("history_then_subscribe", "publish_then_save")
OTHER = Cell("buffered_merge", "atomic_lua")
USERS = 30
MS = 1_000_000


def write_run(
    folder: Path, losers: int, cells: tuple[Cell, ...] = (CELL,), seed: int = 7, whole: bool = True
) -> str:
    """A run folder of USERS users, each of whom gets two chunks in each cell, but for so many
    losers who miss the first. `whole=False`: the producer was killed."""
    (folder / "raw").mkdir(parents=True)
    plan = Plan(
        run=folder.name, cells=list(cells), seed=seed, sessions=1, duration_ms=1_000, settle_ms=100
    )
    traits = {cell.connect: Traits() for cell in cells}
    write_manifest(folder, Manifest(plan=plan, traits=traits, extra={"settings": {"nodes": 3}}))
    producer, node, locust = (
        Recorder(folder / "raw", name) for name in ("producer", "node", "locust")
    )
    for number, cell in enumerate(cells):
        of_cell = {"cell": number, "session_id": f"{folder.name}-{number}-0"}
        for seq in (1, 2):
            at = {f"{name}_ns": 10 * seq * MS for name in ("intended", "started")}
            at |= {
                f"{x}_{y}_ns": 10 * seq * MS for x in ("publish", "save") for y in ("sent", "done")
            }
            producer.add(
                "published", seq=seq, index=seq, digest=seq, message_id="m", write=cell.write,
                final=False, receivers=1, **at, **of_cell,
            )  # fmt: skip
        for user in range(USERS):
            join(node, locust, cell, user, 100 * number + user + 1, of_cell, user < losers)
    for recorder in (producer, node, locust):
        recorder.add("health", at_ns=900 * MS, loop_lag_ms=1.0)
        recorder.close() if whole or recorder is not producer else recorder.flush()
    return str(folder)


def join(
    node: Recorder, locust: Recorder, cell: Cell, user: int, number: int, of_cell: Any, loses: bool
) -> None:
    """One user's join of a cell."""
    locust.add(
        "opened", connection_id=number, connect=cell.connect, write=cell.write, user=user,
        after_seq=0, join_earliest_ns=0, join_latest_ns=100 * MS, intended_ns=0, opening_ns=0,
        leave_ns=5_000 * MS, **of_cell,
    )  # fmt: skip
    for seq in (2,) if loses else (1, 2):
        locust.add(
            "receipts", connection_id=number, seq=seq, digest=seq, via=Via.LIVE,
            at_ns=(10 * seq + 2) * MS,
        )  # fmt: skip
    locust.add(
        "closed", connection_id=number, connected_ns=MS, history_ns=2 * MS, welcome_ns=3 * MS,
        closed_ns=5_000 * MS, by_server=False, close_code=1000, heartbeats=0, fetches=0,
    )  # fmt: skip
    node.add(
        "joins", connection_id=number, session_id=of_cell["session_id"], node="node",
        connect=cell.connect, after_seq=0, accepted_ns=MS, read_sent_ns=2 * MS, read_done_ns=2 * MS,
        subscribe_sent_ns=3 * MS, subscribe_done_ns=3 * MS, history_count=0, subscribe_shared=False,
        welcomed_ns=4 * MS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """good loses nothing, bad in half of its joins; cut was killed; other has another cell too."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        "good": write_run(folder / "good", 0),
        "bad": write_run(folder / "bad", USERS // 2),
        "cut": write_run(folder / "cut", USERS // 2, whole=False),
        "other": write_run(folder / "other", 0, (OTHER,), seed=8),
        "both": write_run(folder / "both", 0, (CELL, OTHER), seed=8),
    }


@pytest.mark.parametrize(
    ("a", "b", "options", "code", "verdict"),
    [
        ("good", "bad", [], 0, "Verdict: B is worse than A."),
        ("good", "bad", ["--fail-on-worse"], 99, "Verdict: B is worse than A."),
        ("bad", "good", ["--fail-on-worse"], 0, "Verdict: B is better than A."),
        ("bad", "bad", ["--fail-on-worse"], 0, "Verdict: no evidence that B delivers better or "
         "worse than A."),
        ("good", "bad", ["--fail-on-worse", "--margin", "loss_rate=0.4"], 0, "Verdict: no evidence "
         "that B delivers better or worse than A."),
        ("good", "cut", ["--fail-on-worse"], 98, "No verdict: a run that is not valid proves "
         "nothing."),
        ("good", "other", [], 98, "No verdict: the runs have no ordering in common."),
    ],
)  # fmt: skip
def test_it_ends_in_a_verdict_and_its_code(
    runs: dict[str, str],
    a: str,
    b: str,
    options: list[str],
    code: int,
    verdict: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["compare", runs[a], runs[b], *options]) == code
    assert capsys.readouterr().out.splitlines()[-1] == verdict


def test_a_person_reads_this(runs: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["compare", runs["good"], runs["bad"]])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "connect                  A: lossy   B: lossy                  B - A",
        "  x write              of conn. % of conn. %          (95%), points verdict",
        "history_then_subscribe",
        "  publish_then_save           0.0       50.0 +50.0 (+29.7 to +66.8) worse",
        "",
        "worse: history_then_subscribe x publish_then_save: loss_rate 0.0 -> 50.0%, difference "
        "+50.0 (+29.7 to +66.8)",
        "",
        f"A: {runs['good']}",
        f"B: {runs['bad']}",
        "The joins are pairs: same seed, same moments.",
        "Verdict: B is worse than A.",
    ]


def test_what_else_differs_is_told(
    runs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["compare", runs["both"], runs["bad"]])
    out = capsys.readouterr().out
    assert "Only A has buffered_merge x atomic_lua." in out
    assert "The joins are not paired: they differ in seed." in out
    assert "WARNING: seed: 8 in A, 7 in B. The difference may be due to it." in out


def test_a_run_that_is_not_valid_shows_its_reason_and_no_verdict_anywhere(
    runs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["compare", runs["good"], runs["cut"]])
    out = capsys.readouterr().out
    assert "NOT VALID: B: producer" in out
    assert not any(word in out for word in ("worse", "better", "no evidence"))


def test_json_is_the_document(runs: dict[str, str]) -> None:
    done = chunk7("compare", runs["good"], runs["bad"], "--json", "--fail-on-worse")
    assert (done.code, done.stderr) == (99, "")
    found = msgspec.json.decode(done.stdout, type=Comparison)
    assert (found.schema, found.verdict, found.paired) == (1, "worse", True)
    assert [d.metric for d in found.cells[0].differences] == list(MARGINS)
    assert list(json.loads(done.stdout)) == [
        "schema", "a", "b", "paired", "unpaired_because", "changes", "warnings", "verdict", "cells",
    ]  # fmt: skip


def test_every_line_of_the_table_fits_into_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = Cell("a/folder/with_a_long_name/file.py:an_ordering", "another/long/one.py:of_my_own")
    runs = [write_run(tmp_path / name, n, (CELL, OTHER, long)) for name, n in (("a", 0), ("b", 15))]
    cli.main(["compare", *runs])
    table = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert "…" not in "".join(table)
    assert max(len(line.rstrip()) for line in table) <= 80


BAD_OPTIONS = [
    (["--margin", "speed=1"], "--margin speed=1: want METRIC=VALUE, METRIC one of loss_rate, "),
    (["--margin", "loss_rate"], "--margin loss_rate: nothing is not a number of 0 or more"),
    (["--margin", "loss_rate=-1"], "--margin loss_rate=-1: -1 is not a number of 0 or more"),
    (["--margin", "loss_rate=nan"], "--margin loss_rate=nan: nan is not a number of 0 or more"),
]


@pytest.mark.parametrize(("options", "complaint"), BAD_OPTIONS)
def test_a_bad_margin_is_one_line(
    runs: dict[str, str], options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", runs["good"], runs["bad"], *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"chunk7 compare: error: {complaint}")
    assert err.count("\n") == 1


def damage(folder: Path, how: str) -> Path:
    """The file that the complaint must name."""
    if how == "no folder":
        return folder / "none" / "manifest.json"
    path = Path(write_run(folder / "run", 0)) / "raw" / "node.joins.arrows"
    if how == "no manifest":
        path = folder / "run" / "manifest.json"
        path.unlink()
    elif how == "foreign manifest":
        path = folder / "run" / "manifest.json"
        path.write_text("{}")
    elif how == "foreign records":
        path.write_bytes(b"no arrow stream")
    elif how == "damaged table":
        open_study(folder / "run")
        path = folder / "run" / "connections.parquet"
        path.write_bytes(path.read_bytes()[:-100])
    return path


@pytest.mark.parametrize(
    "how", ["no folder", "no manifest", "foreign manifest", "foreign records", "damaged table"]
)
def test_what_is_no_run_folder_is_named_in_one_line(
    runs: dict[str, str], how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = damage(tmp_path, how)
    folder = path.parent.parent if path.parent.name == "raw" else path.parent
    assert cli.main(["compare", runs["good"], str(folder)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert str(path) in err


def test_help_waits_for_no_pandas() -> None:
    code = (
        "import sys; from chunk7 import cli; cli.main(['compare', '--help']); "
        "sys.exit('pandas' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
