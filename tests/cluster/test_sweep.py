"""Measuring a sweep: what is kept, continued, tried again and refused. No cluster is started."""

import io
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console
from sweep_kit import CELL, MEASURED, PLAN, Titles, cells, means, outcome

from chunk7.analysis.sweep_table import NAME, Sweep, read_document, read_sweep
from chunk7.cluster.jobs.run import RunOutcome
from chunk7.cluster.jobs.sweep.progress import Follower, length_s
from chunk7.cluster.jobs.sweep.sweep import check, measure, open_sweep, unfinished, without_invalid
from chunk7.cluster.settings import RunSettings
from chunk7.delivery.errors import Interrupted, PartDied, RecordError, UsageError
from chunk7.sweep_tables import doubts, show

UNITS = [
    "live base",
    "simulation base",
    "live chunk-rate 10",
    "simulation chunk-rate 10",
    "live node-work 0",
    "simulation node-work 0",
]


class Runs:
    """Live runs, one after the other as told: reasons against each, or the error that ended it."""

    def __init__(self, *told: str | Exception | None) -> None:
        self.settings: list[RunSettings] = []
        self._told = list(told)

    def __call__(self, settings: RunSettings, folder: Path) -> RunOutcome:
        self.settings.append(settings)
        told = self._told.pop(0) if self._told else None
        if isinstance(told, PartDied | Interrupted):
            return outcome(settings, folder, error=told)
        return outcome(settings, folder, against=(told,) if isinstance(told, str) else ())


def sweep(folder: Path, runs: Runs, watch: Titles | None = None) -> Sweep:
    """Open or continue `PLAN` in the folder and measure it."""
    watch = Titles() if watch is None else watch
    return measure(folder, open_sweep(folder, PLAN), cells(), means(runs), watch)


def test_every_unit_is_measured_once_and_the_base_stands_on_every_axis(tmp_path: Path) -> None:
    watch, runs = Titles(), Runs()
    done = sweep(tmp_path, runs, watch)
    assert watch == UNITS
    assert (done.complete, done.valid, done.calibration) == (True, True, MEASURED)
    assert [(p.by, p.factor, p.value, p.run_dir) for p in done.points] == [
        ("live", "chunk-rate", 20, "runs/base"),
        ("live", "node-work", 10, "runs/base"),
        ("simulation", "chunk-rate", 20, None),
        ("simulation", "node-work", 10, None),
        ("live", "chunk-rate", 10, "runs/chunk-rate-10"),
        ("simulation", "chunk-rate", 10, None),
        ("live", "node-work", 0, "runs/node-work-0"),
        ("simulation", "node-work", 0, None),
    ]
    assert [(s.plan.chunk_rate, s.plan.node_work_ms, s.plan.users) for s in runs.settings] == [
        (20, 10, 12),
        (10, 10, 12),
        (20, 0, 12),
    ]
    assert read_document(tmp_path) == done


def test_a_sweep_that_was_interrupted_keeps_its_points_and_continues(tmp_path: Path) -> None:
    whole = sweep(tmp_path / "whole", Runs())
    folder = tmp_path / "broken"
    with pytest.raises(Interrupted):
        sweep(folder, Runs(None, Interrupted("SIGINT", 2)))
    kept = read_document(folder)
    assert kept.points == whole.points[:4]
    assert (kept.complete, len(read_sweep(folder))) == (False, 4)
    (folder / "runs" / "chunk-rate-10" / "half").touch()

    watch = Titles()
    assert sweep(folder, Runs(), watch) == whole
    assert watch == UNITS[2:]
    assert (folder / "runs" / "chunk-rate-10.aside-1" / "half").exists()
    assert not (folder / "runs" / "chunk-rate-10" / "half").exists()


def test_a_finished_sweep_measures_nothing_again(tmp_path: Path) -> None:
    done = sweep(tmp_path, Runs())
    watch = Titles()
    assert sweep(tmp_path, Runs(), watch) == done
    assert watch == []


def test_a_run_that_is_not_valid_is_tried_once_more(tmp_path: Path) -> None:
    runs = Runs(None, "node-1 was saturated")
    done = sweep(tmp_path, runs)
    assert done.valid
    assert len(runs.settings) == 4
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "base",
        "chunk-rate-10",
        "chunk-rate-10.aside-1",
        "node-work-0",
    ]


def test_a_run_that_is_not_valid_twice_is_kept_with_its_reason(tmp_path: Path) -> None:
    done = sweep(tmp_path, Runs(None, "stalled", "stalled again"))
    against = [(p.by, p.factor, p.value, p.invalid_because) for p in done.points if not p.valid]
    assert against == [("live", "chunk-rate", 10, ["stalled again"])]
    assert (done.complete, done.valid) == (True, False)
    assert doubts(done) == ["NOT VALID: runs/chunk-rate-10: stalled again"]


def test_a_simulation_is_only_as_valid_as_the_run_that_calibrates_it(tmp_path: Path) -> None:
    done = sweep(tmp_path, Runs("stalled", "stalled again"))
    simulated = [point for point in done.points if point.by == "simulation"]
    assert {tuple(point.invalid_because) for point in simulated} == {
        ("calibrated by runs/base, which is not valid: stalled again",)
    }


def test_points_that_are_not_valid_can_be_measured_again(tmp_path: Path) -> None:
    sweep(tmp_path, Runs(None, "stalled", "stalled again"))
    watch = Titles()
    opened = without_invalid(open_sweep(tmp_path, PLAN))
    done = measure(tmp_path, opened, cells(), means(), watch)
    assert watch == ["live chunk-rate 10"]
    assert (done.complete, done.valid, len(done.points)) == (True, True, 8)


def test_a_base_that_is_not_valid_is_measured_again_with_all_that_rests_on_it(
    tmp_path: Path,
) -> None:
    sweep(tmp_path, Runs("stalled", "stalled again"))
    watch = Titles()
    opened = without_invalid(open_sweep(tmp_path, PLAN))
    done = measure(tmp_path, opened, cells(), means(), watch)
    assert watch == ["live base", *(title for title in UNITS if title.startswith("simulation"))]
    assert (done.complete, done.valid) == (True, True)


def test_a_part_that_dies_twice_ends_the_sweep_which_can_be_continued(tmp_path: Path) -> None:
    died = PartDied("node-1 was killed by SIGKILL")
    with pytest.raises(PartDied):
        sweep(tmp_path, Runs(None, died, died))
    assert sweep(tmp_path, Runs()).complete


def test_a_part_that_dies_once_is_no_harm(tmp_path: Path) -> None:
    assert sweep(tmp_path, Runs(PartDied("nginx ended"))).valid


def test_another_plan_is_refused_with_the_option_that_differs(tmp_path: Path) -> None:
    open_sweep(tmp_path, PLAN)
    for change, line in (
        ({"base": replace(PLAN.base, seed=8)}, "--seed was 7, not 8"),
        ({"by": ["live"]}, "--by was live,simulation, not live"),
        ({"factors": {"chunk-rate": [10.0, 20.0]}}, "--factor was chunk-rate,node-work, not"),
        (
            {"factors": {**PLAN.factors, "node-work": [10.0]}},
            "--node-work-ms was 0,10, not 10",
        ),
        ({"base": replace(PLAN.base, chunk_rate=30.0)}, "--base-chunk-rate was 20, not 30"),
    ):
        with pytest.raises(UsageError, match=f"another sweep: {line}"):
            open_sweep(tmp_path, replace(PLAN, **change))


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(UsageError, match=r"not empty, and there is no sweep\.json"):
        open_sweep(tmp_path, PLAN)


def test_a_damaged_document_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"schema": 1,')
    with pytest.raises(RecordError, match=r"sweep\.json: damaged or cut short"):
        open_sweep(tmp_path, PLAN)
    assert (tmp_path / NAME).read_text() == '{"schema": 1,'


def test_a_setting_that_streams_nothing_is_refused_before_anything_starts() -> None:
    slow = replace(PLAN, factors={"chunk-rate": [0.1, 20.0]})
    with pytest.raises(UsageError, match=r"chunk-rate 0\.1: --chunk-rate: less than one chunk"):
        check(slow, cells())


def test_progress_tells_a_line_a_unit_with_the_time_left(tmp_path: Path) -> None:
    opened = open_sweep(tmp_path, PLAN)
    console = Console(file=io.StringIO(), width=100)
    with Follower(PLAN, cells(), console) as follower:
        measure(tmp_path, opened, cells(), means(), follower)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    # three runs of 2 s and 1.2 s to settle (16 ms more for slow joins), 5 s to start and stop
    assert lines[0] == "1/6 live base, 27 s left"
    assert [line.split(", ")[0] for line in lines] == [
        f"{number}/6 {title}" for number, title in enumerate(UNITS, 1)
    ]


def test_the_time_left_shrinks_to_nothing(tmp_path: Path) -> None:
    opened = open_sweep(tmp_path, PLAN)
    lengths = [length_s(PLAN, cells(), unfinished(opened)[number:]) for number in range(7)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] == 0


def test_what_is_printed_fits_into_80_columns(tmp_path: Path) -> None:
    done = sweep(tmp_path, Runs(None, "stalled", "stalled again"))
    console = Console(file=io.StringIO(), width=80)
    show(done, Path("sweeps/x"), console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines[:10])) <= 80
    assert [line.strip() for line in lines[2:4]] == [CELL.connect, f"x {CELL.write}"]
    assert lines[4].split()[:7] == ["10", "!", "3/12", "25.0", "(10-50)", "0", "(0.0)"]
    assert "NOT VALID: runs/chunk-rate-10: stalled again" in lines
