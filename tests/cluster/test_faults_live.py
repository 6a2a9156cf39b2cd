"""`chunk7 run --fault`: real parts are struck, the run is judged, and all of it is on record."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command import SMALL, Ended, chunk7

pytestmark = pytest.mark.live

SHORT = ("--duration", 3, "--no-report", "--json", "--seed", 7)
PAIRS = ("--connect", "buffered_merge,redis_streams", "--write", "atomic_lua,stream_append")


def run(folder: Path, *words: object) -> Ended:
    """Of a run; once more where other tests on the machine made it not valid (98)."""
    done = chunk7("run", *SMALL, *SHORT, *words, "--out", folder)
    if done.code == 98:
        shutil.rmtree(folder)
        done = chunk7("run", *SMALL, *SHORT, *words, "--out", folder)
    assert done.code == 0, (done.stderr, done.stdout)
    return done


def strikes(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["connect"], one["name"], one["target"]) for one in document["faults"]]


def test_parts_are_killed_on_purpose_and_users_come_back(tmp_path: Path) -> None:
    faults = (
        *("--fault", "node_kill@500ms:for=300ms"),
        *("--fault", "store_kill_pubsub@1500ms"),
        *("--fault", "client_reconnect_storm@2s"),
    )
    document = run(tmp_path / "run", *PAIRS, *faults).document
    assert document["valid"], document["invalid_because"]
    merge, streams = strikes(document)[:3], strikes(document)[3:]
    node = merge[0][2]
    assert node in {"node-1", "node-2"}
    assert merge == [
        ("buffered_merge", "node_kill", node),
        ("buffered_merge", "store_kill_pubsub", "store"),
        ("buffered_merge", "client_reconnect_storm", "clients"),
    ]
    assert streams == [
        ("redis_streams", "node_kill", f"{node}-2"),  # the same node, as it was started again
        ("redis_streams", "store_kill_pubsub", "nobody"),  # a stream has no subscription
        ("redis_streams", "client_reconnect_storm", "clients"),
    ]
    by_connect = {result["connect"]: result for result in document["results"]}
    assert by_connect["redis_streams"]["chunks_lost"] == 0
    assert {*by_connect["buffered_merge"]["causes"]} <= {"store_reconnect"}
    for result in by_connect.values():
        assert result["returns"]["returns"] > 0

    events = pd.read_parquet(tmp_path / "run" / "events.parquet")
    conducted = Counter(events.loc[events["process"] == "faults", "kind"])
    assert conducted == {"fault_began": 4, "fault_ended": 4, "fault_planned_death": 2}


def test_the_store_is_tampered_with_behind_the_nodes(tmp_path: Path) -> None:
    faults = (
        *("--fault", "deaf_node@300ms:for=200ms"),
        *("--fault", "deaf_all_nodes@550ms:for=200ms"),
        *("--fault", "stale_read@800ms:for=200ms,lag_ms=50"),
        *("--fault", "store_failover@1500ms:down_ms=200,lag_ms=50"),
        *("--fault", "producer_kill@2500ms:for=200ms"),
    )
    pair = ("--connect", "redis_streams", "--write", "stream_append")
    document = run(tmp_path / "run", *pair, *faults).document
    assert document["valid"], document["invalid_because"]
    assert [name for _, name, _ in strikes(document)] == [
        "deaf_node",
        "deaf_all_nodes",
        "stale_read",
        "store_failover",
        "producer_kill",
    ]
