"""No room on the disk, too few files: one clear line, and what was recorded is kept."""

import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import PORTS, SMALL, Ended, Running, asked, left_over
from full_disk import no_file_longer_than
from live_kit import ROUND_MS, Scene, a_plan
from report_kit import run_folder

from chunk7.analysis.live.judging import Live
from chunk7.analysis.results import NAME
from chunk7.cluster.deployments.open_files import allow_files
from chunk7.cluster.deployments.parts import spelled
from chunk7.cluster.deployments.probes import free_ports
from chunk7.cluster.jobs.judge import judge
from chunk7.delivery.errors import Interrupted, UsageError, WriteError
from chunk7.wire.records import read_back


def within(limit: str, *words: object) -> Ended:
    """The command under a limit of the shell's, as `-f 0` (blocks a file) or `-n 64` (files)."""
    command = [sys.executable, "-m", "chunk7", *map(str, words)]
    shell = ["sh", "-c", f'ulimit {limit} && exec "$@"', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=60)
    return Ended(done.returncode, done.stdout, done.stderr)


def ungathered(folder: Path) -> Path:
    """A run folder of which nothing is there but the manifest and the raw records."""
    run_folder(folder)
    for path in (*folder.glob("*.parquet"), folder / NAME):
        path.unlink(missing_ok=True)
    return folder


def files_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["explore", "--chunks", 1, "--connect", "redis_streams"], "explore.json"),
        (["simulate", "--connections", 10, "--engine", "events"], "summary.json"),
        (["watch", "--from", "MONITOR"], "manifest.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_full_disk_is_a_line_with_the_file_and_leaves_no_half_of_it(
    tmp_path: Path, words: list[object], file: str
) -> None:
    """Each wrote in place: a traceback or not, what was left was a file of 0 bytes."""
    out, monitor = tmp_path / "out", tmp_path / "monitor.txt"
    monitor.write_text('1339518083.107412 [0 127.0.0.1:60866] "ping"\n')
    given = [monitor if word == "MONITOR" else word for word in words]
    ended = within("-f 0", *given, "--out", out)
    line = f"chunk7 {words[0]}: error: {out / file}: cannot be written: File too large"
    said = [line for line in ended.stderr.splitlines() if not re.match(r"\d+/11 ", line)]
    assert (ended.code, said) == (1, [line])  # but for the cells that begin
    assert files_of(out) == set()


def test_a_report_that_cannot_be_written_says_so_and_changes_nothing(tmp_path: Path) -> None:
    folder = ungathered(tmp_path / "run")
    before = files_of(folder)
    ended = within("-f 0", "report", folder)
    line = f"chunk7 report: error: {folder}/processes.parquet: cannot be written: File too large"
    assert (ended.code, ended.stdout, ended.stderr.splitlines()) == (1, "", [line])
    assert files_of(folder) == before


def test_a_run_that_cannot_be_judged_for_want_of_room_can_be_judged_later(tmp_path: Path) -> None:
    """summary.json was written in place, so there was one of 0 bytes, which nothing could read."""
    folder = ungathered(tmp_path / "run")
    with no_file_longer_than(0):
        summary, study, unwritten = judge(folder, None)
    assert study is None
    assert summary.invalid_because == [str(unwritten)]
    assert str(unwritten) == f"{folder}/processes.parquet: cannot be written: File too large"
    assert files_of(folder) == {"manifest.json"}
    summary, study, unwritten = judge(folder, None)
    assert (summary.valid, study is None, unwritten) == (True, False, None)


def test_what_ended_a_run_is_kept_when_only_its_tables_found_no_room(tmp_path: Path) -> None:
    folder = ungathered(tmp_path / "run")
    with no_file_longer_than(1_000):
        judge(folder, Interrupted("SIGINT", 2))
    assert files_of(folder) == {"manifest.json", NAME}
    assert b"stopped by SIGINT" in (folder / NAME).read_bytes()
    assert b"cannot be written" not in (folder / NAME).read_bytes()


def test_too_few_files_are_refused_before_anything_is_started(tmp_path: Path) -> None:
    """Clients were refused one by one, and the run blamed the nodes for it."""
    ended = within("-n 64", "run", *SMALL, "--out", tmp_path / "run")
    [line] = ended.stderr.splitlines()
    assert line == (
        "chunk7 run: error: --users 12: one process has 88 files open then, and 64 are allowed "
        "(ulimit -n)"
    )
    assert (ended.code, list(tmp_path.iterdir())) == (2, [])


def test_files_are_allowed_as_far_as_they_are_needed() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_files(1, each=2)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
    if limits[1] != resource.RLIM_INFINITY:
        with pytest.raises(UsageError, match=r"^--users \d+: one process has \d+ files open then"):
            allow_files(limits[1], each=2)


@pytest.mark.live
def test_a_run_on_a_disk_that_fills_ends_in_a_line_and_keeps_its_records(tmp_path: Path) -> None:
    """It used to end in a traceback, over a summary.json of 0 bytes."""
    with no_file_longer_than(6_000):
        words = ("--duration", "60", "--connect", "history_then_subscribe", "--write", "atomic_lua")
        running = Running(tmp_path / "run", "run", *SMALL, *words, "--json")
    try:
        ended = running.end()
    finally:
        running.kill()
    [said] = [line for line in ended.stderr.splitlines() if "error: " in line]
    assert (ended.code, "File too large" in said) == (1, True)
    assert "Traceback" not in ended.stderr
    assert ended.document["valid"] is False
    records = [read_back(path) for path in (running.folder / "raw").glob("*.arrows")]
    assert sum(len(back.table) for back in records) > 0
    assert not list(running.folder.glob("*partial*"))
    assert all(path.stat().st_size for path in running.folder.glob("*.*"))
    shutil.rmtree(running.folder)


@pytest.mark.live
def test_up_on_a_disk_that_fills_ends_in_a_line_and_keeps_its_records(tmp_path: Path) -> None:
    """Whichever part first found no room ended it. The judge's end was a traceback."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with no_file_longer_than(6_000):
        up = Running(tmp_path / "run", "up", *SMALL, "--duration", 60, *spelled(ports))
    try:
        while not up.line().startswith("web UI"):
            pass
        asked(ports["--web-port"], "/swarm", b"user_count=12&spawn_rate=12")
        ended = up.end()
    finally:
        up.kill()
    [said] = [line for line in ended.stderr.splitlines() if "error: " in line]
    assert (ended.code, "File too large" in said) == (1, True), ended.stderr
    assert "Traceback" not in ended.stderr
    assert left_over(up.pids) == []
    records = [read_back(path) for path in (up.folder / "raw").glob("*.arrows")]
    assert sum(len(back.table) for back in records) > 0
    assert not list(up.folder.rglob("*partial*"))


def test_the_judge_names_the_file_that_it_has_no_room_for(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.round(a_plan("r"), at_ms=0)
    scene.play(ROUND_MS / 2)
    with no_file_longer_than(1_500), pytest.raises(WriteError) as refused:
        Live(tmp_path, {}).advance()
    folder = re.escape(str(tmp_path / "rounds" / "r" / "raw"))
    line = folder + r"/\S+\.arrows: cannot be written: File too large"
    assert re.fullmatch(line, str(refused.value))
