"""A summary for every run, also for one that never began or whose records are damaged."""

from pathlib import Path

import msgspec
import pytest

from chunk7.analysis.manifest import Manifest, Traits, write_manifest
from chunk7.analysis.results import read_summary
from chunk7.cluster.jobs.judge import judge
from chunk7.cluster.jobs.run import new_folder
from chunk7.cluster.jobs.surroundings import surroundings
from chunk7.delivery.errors import PartDied, UsageError
from chunk7.wire.plan import Cell, Plan

ORDER = Plan(
    run="test",
    cells=[Cell("buffered_merge", "atomic_lua")],
    seed=11,
    sessions=1,
    duration_ms=1_000,
    settle_ms=1_000,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder in which nothing was recorded."""
    made = new_folder(tmp_path / "run")
    traits = {"buffered_merge": Traits(merges=True)}
    write_manifest(made, Manifest(plan=ORDER, traits=traits))
    return made


def test_a_run_that_never_began_has_a_summary_that_says_why(folder: Path) -> None:
    died = PartDied("store ended by itself (logs/store.log):\n  no memory")
    summary, study, _ = judge(folder, died)
    assert summary.valid is False
    assert summary.invalid_because[0] == "store ended by itself (logs/store.log)"
    assert (summary.seed, summary.run_dir) == (11, str(folder))
    assert [result.connections for result in summary.results] == [0]
    assert study is not None
    assert read_summary(folder) == summary


def test_damaged_records_are_a_reason_against_the_run(folder: Path) -> None:
    (folder / "raw").mkdir()
    (folder / "raw" / "producer.published.arrows").write_bytes(b"something else entirely")
    summary, study, _ = judge(folder, None)
    assert summary.valid is False
    assert "producer.published.arrows" in summary.invalid_because[0]
    assert (summary.results, study) == ([], None)
    assert read_summary(folder) == summary


def test_a_folder_with_something_in_it_is_no_run_folder(folder: Path) -> None:
    with pytest.raises(UsageError, match="exists and is not empty"):
        new_folder(folder)
    with pytest.raises(UsageError, match=r"--out .*manifest.json: File exists"):
        new_folder(folder / "manifest.json")


def test_the_surroundings_are_json_and_name_what_ran() -> None:
    found = msgspec.json.decode(msgspec.json.encode(surroundings()))
    assert found["versions"]["valkey"].startswith("Valkey server")
    assert found["versions"]["nginx"].startswith("nginx version")
    assert found["versions"]["packages"].keys() >= {"chunk7", "locust", "websockets"}
    assert found["machine"]["cpu_count"] > 0
