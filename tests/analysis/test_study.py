"""A judged run in one object: what it says of each connection and of each lost chunk."""

from pathlib import Path

import numpy as np
import pytest
from race import judged, race
from story import CELL, Story

from chunk7.analysis.results import COUNTS
from chunk7.analysis.study import analyse, open_study
from chunk7.delivery.errors import RecordError


def test_each_connection_has_its_account_its_gap_and_what_the_law_expects(tmp_path: Path) -> None:
    table = judged(tmp_path / "run").connections
    bug, fix = table.to_dict("records")
    assert {name: bug[name] for name in ("name", "connection_id", "turn", "node")} == {
        "name": "history_then_subscribe x publish_then_save",
        "connection_id": 1,
        "turn": 0,
        "node": "node",
    }
    # Origin: chunk 1, at 10 ms; it opened at 30.
    assert (bug["opened_s"], bug["join_ms"]) == (pytest.approx(0.02), 2.0)
    assert [(row["window_ms"], row["gap_ms"]) for row in (bug, fix)] == [(10, 12), (-10, -10)]
    assert [[row[name] for name in COUNTS] for row in (bug, fix)] == [
        [10, 9, 1, 0, 0, 0, 0, 0, 0],
        [10, 10, 0, 0, 1, 3, 0, 0, 1],
    ]
    # A join at u from 30 to 130 ms reads at u + 5 and subscribes at u + 15, so chunk i counts for
    # u from 10 i - 15 to 10 i - 3: 7 ms of chunk 4, 12 of each of 5 to 10.
    assert bug["lost_expected"] == pytest.approx(0.79)
    # The two instants may each be 1 ms off, so that the gap is 10 to 14 ms: for 10, u from
    # 10 i - 14 to 10 i - 4, for 14 from 10 i - 16 to 10 i - 2.
    assert (bug["lost_least"], bug["lost_most"]) == (pytest.approx(0.66), pytest.approx(0.92))
    assert (fix["lost_expected"], fix["duplicate_expected"]) == (0, pytest.approx(0.65))


def test_each_lost_chunk_has_its_cause_and_its_client(tmp_path: Path) -> None:
    study = judged(tmp_path / "run")
    (loss,) = study.losses.to_dict("records")
    chunk = study.run.published.iloc[loss.pop("chunk")]
    assert (chunk["session_id"], chunk["seq"]) == ("bug", 4)
    assert loss == {
        "connection": 0,
        "cell": 0,
        "name": "history_then_subscribe x publish_then_save",
        "connection_id": 1,
        "session_id": "bug",
        "join": study.run.joins["connection_id"].tolist().index(1),
        "node": "node",
        "message_id": "bug",
        "index": 4,
        "seq": 4,
        "cause": "handover_gap",
        "published_s": pytest.approx(0.03),
    }


def test_raw_records_are_gathered_first_and_give_what_gathered_ones_give(tmp_path: Path) -> None:
    raw, gathered = race(tmp_path / "raw"), race(tmp_path / "gathered")
    analyse(gathered)
    assert open_study(raw).summary.results == open_study(gathered).summary.results


def test_what_was_held_against_the_run_when_it_was_made_stays(tmp_path: Path) -> None:
    folder = race(tmp_path / "run")
    analyse(folder, also_invalid_because=["stopped by SIGINT"])
    assert open_study(folder).summary.invalid_because == [
        "stopped by SIGINT",
        "nobody connected for redis_streams x stream_append",
    ]


def test_a_summary_that_is_none_is_named(tmp_path: Path) -> None:
    folder = race(tmp_path / "run")
    analyse(folder)
    (folder / "summary.json").write_text('{"schema": 1}')
    with pytest.raises(RecordError, match=r"summary\.json: not a summary"):
        open_study(folder)


def test_turns_count_the_joins_of_one_user_in_the_order_of_time(tmp_path: Path) -> None:
    story = Story(tmp_path / "run", cells=[CELL])
    story.chunk(1, 10)
    for connection_id, user, open_ms in ((1, 5, 40), (2, 5, 20), (3, 6, 30)):
        story.connection(connection_id, [(50, 1)], user=user, open_ms=open_ms)
        story.join(connection_id)
    table = open_study(story.end()).connections
    assert dict(zip(table["connection_id"], table["turn"], strict=True)) == {1: 1, 2: 0, 3: 0}


def test_a_connection_that_never_opened_is_left_out(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.connection(1, [(12, 1)])
    story.join(1)
    story.connection(2, connected_ns=None, history_ns=None, welcome_ns=None)
    assert list(open_study(story.end()).connections["connection_id"]) == [1]


def test_a_join_that_no_node_recorded_has_no_window_and_no_prediction(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.connection(1, [(12, 1)])
    story.healthy("producer", "node", "locust")
    (row,) = open_study(story.end()).connections.to_dict("records")
    assert all(np.isnan(row[name]) for name in ("window_ms", "gap_ms", "lost_expected"))
    assert (row["delivered"], row["node"]) == (1, pytest.approx(np.nan, nan_ok=True))


def test_the_folder_of_a_kept_cluster_is_no_run_but_says_where_they_are(tmp_path: Path) -> None:
    """Opening one once wrote tables into it while its parts still recorded."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "rounds").mkdir()
    with pytest.raises(RecordError, match=r"is no run folder: .*; its load tests are those in "):
        open_study(tmp_path)
    assert not list(tmp_path.glob("*.parquet"))
