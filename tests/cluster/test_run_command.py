"""`chunk7 run` for real: a short run, and one whose threshold is crossed."""

import os
from pathlib import Path

import pytest
from busy_kit import of_the_run
from command import SMALL, Ended, chunk7

from chunk7.analysis.run_folder import load_run

pytestmark = pytest.mark.live

RESULT_KEYS = {
    *("connect", "write", "connections", "lossy_connections"),
    *("loss_rate", "loss_rate_low", "loss_rate_high", "causes"),
    *("chunks_expected", "chunks_delivered", "chunks_lost", "chunks_undetermined"),
    *("chunks_duplicate", "chunks_out_of_order", "chunks_unexpected", "chunks_lost_predicted"),
    *("window_ms", "gap_ms", "join_ms", "chunk_latency_ms"),
}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the short run writes."""
    return tmp_path_factory.mktemp("short") / "run"


@pytest.fixture(scope="module")
def short(run_folder: Path) -> Ended:
    """A short run of two cells. Each user joins once a cell, however long it is: 1 s, then."""
    orderings = ("--connect", "history_then_subscribe,buffered_merge", "--write", "atomic_lua")
    thresholds = ("--threshold", "buffered_merge: chunks_lost==0")
    words = (*SMALL, *orderings, *thresholds, "--duration", "1", "--node-work-ms", "80")
    return chunk7("run", *words, "--json", "--out", run_folder)


def test_stdout_is_one_document_of_the_promised_shape(short: Ended, run_folder: Path) -> None:
    document = short.document
    assert document.keys() == {
        "schema", "valid", "invalid_because", "seed", "run_dir", "results", "told_apart_by",
        "excused", "faults",
    }  # fmt: skip
    assert (document["schema"], document["seed"]) == (1, 7)
    assert document["run_dir"] == str(run_folder)
    assert all(result.keys() >= RESULT_KEYS for result in document["results"])


def test_a_short_run_is_valid_and_its_exit_code_says_so(short: Ended) -> None:
    against = short.document["invalid_because"]
    assert of_the_run(against) == []
    assert short.code == (98 if against else 0), short.stderr


def test_the_accounts_cross_foot_and_every_user_joined_every_cell(short: Ended) -> None:
    results = short.document["results"]
    assert [(result["connect"], result["write"]) for result in results] == [
        ("history_then_subscribe", "atomic_lua"),
        ("buffered_merge", "atomic_lua"),
    ]
    for result in results:
        assert result["connections"] == 12
        parts = ("delivered", "lost", "undetermined")
        assert result["chunks_expected"] == sum(result[f"chunks_{part}"] for part in parts) > 0


def test_the_bug_loses_chunks_and_the_fix_does_not(short: Ended) -> None:
    bug, fix = short.document["results"]
    assert bug["chunks_lost"] > 0  # 12 joins x 20 chunks/s x 80 ms: 19 on average
    assert (fix["chunks_lost"], fix["chunks_duplicate"], fix["chunks_out_of_order"]) == (0, 0, 0)


def test_the_run_folder_has_what_was_promised(short: Ended, run_folder: Path) -> None:
    assert short.stdout
    names = {path.name for path in run_folder.iterdir()}
    assert names >= {
        *("manifest.json", "summary.json", "logs", "raw", "pids.json"),
        *("published.parquet", "joins.parquet", "connections.parquet"),
        *("report.html", "report.md", "junit.xml", "figures"),
    }
    logs = {path.name for path in (run_folder / "logs").iterdir()}
    assert logs >= {"store.log", "node-1.log", "node-2.log", "producer.log", "nginx.log"}
    extra = load_run(run_folder).manifest.extra
    assert load_run(run_folder).manifest.plan.node_work_ms == 80
    assert extra["versions"]["valkey"].startswith("Valkey server")
    assert extra["machine"]["cpu_count"] == os.cpu_count()


def test_the_nodes_take_turns(short: Ended, run_folder: Path) -> None:
    assert short.stdout
    nodes = load_run(run_folder).joins["node"].value_counts().to_dict()
    assert nodes == {"node-1": 12, "node-2": 12}


def test_a_crossed_threshold_ends_in_99_and_says_which(tmp_path: Path) -> None:
    words = (*SMALL, "--duration", "1", "--connect", "buffered_merge", "--write", "atomic_lua")
    thresholds = ("--threshold", "connections<1", "--threshold", "chunks_lost==0")
    done = chunk7("run", *words, *thresholds, "--no-report", "--out", tmp_path / "run")
    crossed = "threshold crossed: buffered_merge x atomic_lua: connections is 12 (connections<1)"
    if "NOT VALID" in done.stdout:
        assert done.code == 98
        assert "was saturated" in done.stdout or "after their plan" in done.stdout
    else:
        assert done.code == 99
        assert crossed in done.stderr
    assert "buffered_merge x atomic_lua keeps all" in done.stdout
    assert str(tmp_path / "run") in done.stdout
    assert not (tmp_path / "run" / "report.html").exists()
