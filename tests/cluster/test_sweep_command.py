"""`chunk7 sweep` as people run it: bad input, a simulated sweep, and a small live one."""

import json
import os
import signal
from pathlib import Path

import pytest
from command import Running, chunk7

from chunk7.analysis.sweep_table import NAME, read_document, read_sweep
from chunk7.cli import main

TINY = ("--factor", "node-work", "--connect", "history_then_subscribe", "--write", "atomic_lua")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--factor", "load"), "--factor load: must be one of chunk-rate, "),
        (("--by", "guess"), "--by guess: must be one of live, simulation"),
        (("--node-work-ms", "1;2"), "--node-work-ms 1;2: want a number"),
        (("--base-chunk-rate", "0"), "--base-chunk-rate 0: must be between 0.1 and 10000"),
        (("--duration", "8"), "--duration 8: must be below 7.5: a user joins once"),
        (("--chunk-rate", "0.1"), "chunk-rate 0.1: --chunk-rate: less than one chunk"),
    ],
)
def test_bad_input_ends_in_one_line_before_anything_is_made(
    words: tuple[str, ...], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    assert main(["sweep", *words, "--out", str(folder)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"chunk7 sweep: error: {line}")
    assert told.count("\n") == 1
    assert not folder.exists()


def test_a_simulated_sweep_is_a_document_a_table_and_a_figure_and_can_be_asked_for_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    words = ["sweep", *TINY, "--by", "simulation", "--node-work-ms", "0,40", "--simulated", "2000"]
    assert main([*words, "--json", "--out", str(folder)]) == 0
    first = json.loads(capsys.readouterr().out)
    assert [point["value"] for point in first["points"]] == [10, 0, 40]
    assert (first["complete"], first["valid"], first["calibration"]) == (True, True, None)
    assert json.loads((folder / "sweep.json").read_text()) == first
    table = read_sweep(folder).sort_values("value")
    assert table["loss_rate"].is_monotonic_increasing
    for suffix in ("png", "svg"):
        assert (folder / "figures" / f"factors.{suffix}").stat().st_size > 1_000

    assert main([*words, "--json", "--out", str(folder)]) == 0
    again = capsys.readouterr()
    assert (json.loads(again.out), again.err) == (first, "")

    assert main([*words, "--out", str(folder), "--seed", "8"]) == 2
    assert "another sweep: --seed was 7, not 8" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_continue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    many = ",".join(map(str, range(3, 11)))
    words = ("sweep", *TINY, "--by", "simulation", "--node-work-ms", many, "--simulated", "20000")
    running = Running(folder, *words)
    try:
        running.wait_for(lambda: (folder / NAME).exists() and len(read_sweep(folder)) > 0)
        os.kill(running.pid, signal.SIGINT)
        ended = running.end()
    finally:
        running.kill()
    assert ended.code == 130
    assert f"the same command with --out {folder} continues\n" in ended.stderr
    kept = read_document(folder).points
    assert 0 < len(kept) < 8
    assert main([*words, "--json", "--out", str(folder)]) == 0
    assert read_document(folder).points[: len(kept)] == kept
    assert len(read_sweep(folder)) == 8
    assert len(capsys.readouterr().err.splitlines()) == 8 - len(kept)


@pytest.mark.live
@pytest.mark.judged
def test_a_small_sweep_is_run_live_and_simulated(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    values = ("--node-work-ms", 80, "--base-node-work-ms", 0, "--save-lag-ms", 0)
    load = ("--duration", 1, "--base-concurrent-joins", 12, "--sessions", 3, "--nodes", 1)
    done = chunk7("sweep", *TINY, *values, *load, "--json", "--out", folder, within_s=90)
    document = done.document
    assert done.code == (0 if document["valid"] else 98), done.stderr
    assert document["complete"]
    assert [(point["by"], point["value"]) for point in document["points"]] == [
        ("live", 0),
        ("simulation", 0),
        ("live", 80),
        ("simulation", 80),
    ]
    prompt, _, slow, simulated = document["points"]
    assert (prompt["run_dir"], slow["run_dir"]) == ("runs/base", "runs/node-work-80")
    assert (folder / slow["run_dir"] / "summary.json").exists()
    # 12 joins x 20 chunks/s x 80 ms: 19 lost on average
    assert slow["chunks_lost"] > 0
    assert simulated["loss_rate"] > 0.5
    assert document["calibration"]["run_dir"] == "base"
    assert max(document["calibration"]["one_way_ms"]) > 0
    assert (folder / "figures" / "factors.svg").exists()
    assert "1/4 live base, " in done.stderr
