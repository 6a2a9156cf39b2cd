"""A connection, or a lost chunk, instant by instant."""

import math
from pathlib import Path

import pytest
from story import Story

from chunk7 import open_study
from chunk7.analysis.timelines import connection_timeline, loss_instants, receipts_of, typical
from chunk7.delivery.errors import RecordError
from chunk7.wire.tables import Via


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Chunk 1 before everybody; the others every 100 ms from 50 on, each saved at once."""
    story = Story(tmp_path / "run")
    story.chunk(1, at_ms=-100)
    for seq in (2, 3, 4):
        story.chunk(seq, at_ms=100 * seq - 150)
    story.healthy("producer", "locust", "node")
    return story


def test_a_lost_chunk_lies_between_the_read_and_the_subscription(story: Story) -> None:
    story.connection(1, [(45, 1, 0), (151, 3), (251, 4)])
    story.join(1, read_ms=(40, 42), subscribe_ms=(58, 62), history_last_seq=1)
    study = open_study(story.end())
    timeline = connection_timeline(study, 1)
    assert timeline[["at_ms", "event", "label", "seq", "lost"]].to_numpy().tolist() == [
        [-100, "publish", "T2", 1, False],
        [-100, "save", "T3", 1, False],
        [0, "opens", "", 0, False],
        [0, "accepted", "", 0, False],
        [2, "history", "", 0, False],
        [3, "welcome", "", 0, False],
        [41, "read", "T1", 0, False],
        [50, "publish", "T2", 2, True],
        [50, "save", "T3", 2, True],
        [60, "subscribe", "T4", 0, False],
        [150, "publish", "T2", 3, False],
        [150, "save", "T3", 3, False],
        [151, "live", "T5", 3, False],
        [250, "publish", "T2", 4, False],
        [250, "save", "T3", 4, False],
        [5_000, "leaves", "", 0, False],
    ]
    (loss,) = loss_instants(study).to_dict("records")
    assert (loss["read_least_ms"], loss["read_ms"], loss["read_most_ms"]) == (40, 41, 42)
    assert (loss["publish_ms"], loss["save_ms"], loss["history_last_seq"]) == (50, 50, 1)


def test_the_connection_to_look_at_is_a_lossy_one_with_a_middling_gap(story: Story) -> None:
    story.connection(1, [(-1, 1, 0), (51, 2), (151, 3), (251, 4)])
    story.join(1, read_ms=(1, 1), subscribe_ms=(2, 2), history_last_seq=1)
    for connection_id, end in ((2, 56), (3, 60), (4, 140)):
        story.connection(connection_id, [(45, 1, 0), (151, 3), (251, 4)])
        story.join(connection_id, read_ms=(44, 44), subscribe_ms=(end, end), history_last_seq=1)
    study = open_study(story.end())
    assert list(study.connections["lost"]) == [0, 1, 1, 1]
    assert typical(study) == 3


def test_without_losses_any_connection_is_looked_at(story: Story) -> None:
    story.connection(1, [(2, 1, 0), (51, 2), (151, 3), (251, 4)])
    assert typical(open_study(story.end())) == 1


def test_without_connections_there_is_none_to_look_at(story: Story) -> None:
    study = open_study(story.end())
    with pytest.raises(RecordError, match="nobody connected"):
        typical(study)
    with pytest.raises(RecordError, match="no connection 7"):
        connection_timeline(study, 7)


def test_executed_instants_are_between_sending_and_answer_and_others_are_exact(
    story: Story,
) -> None:
    story.connection(1, [(45, 1, Via.HISTORY), (151, 3), (80, 2, Via.FETCH), (251, 4)])
    story.join(1, read_ms=(40, 44), subscribe_ms=(58, 60), history_last_seq=1)
    timeline = connection_timeline(open_study(story.end()), 1)
    shown = timeline[timeline["event"].isin(("opens", "read", "subscribe", "fetched"))]
    assert shown[["event", "seq", "least_ms", "at_ms", "most_ms"]].to_numpy().tolist() == [
        ["opens", 0, 0, 0, 0],
        ["read", 0, 40, 42, 44],
        ["subscribe", 0, 58, 59, 60],
        ["fetched", 2, 80, 80, 80],
    ]


def test_without_its_nodes_record_a_loss_has_no_read_and_no_subscription(story: Story) -> None:
    story.connection(1, [(2, 1, Via.HISTORY), (151, 3), (251, 4)])
    study = open_study(story.end())
    (loss,) = loss_instants(study).to_dict("records")
    unknown = ("accepted_ms", "read_ms", "read_least_ms", "subscribe_ms", "history_last_seq")
    assert all(math.isnan(loss[name]) for name in unknown)
    assert (loss["publish_ms"], loss["closed_ms"], loss["receivers"]) == (50, 5_000, 1)
    events = set(connection_timeline(study, 1)["event"])
    assert events == {"opens", "history", "welcome", "publish", "save", "live", "leaves"}


def test_receipts_of_one_connection_are_its_own(story: Story) -> None:
    story.connection(1, [(2, 1, Via.HISTORY), (51, 2)])
    story.connection(2, [(151, 3)])
    study = open_study(story.end())
    assert receipts_of(study.run, 1).seq.tolist() == [3]
    with pytest.raises(RecordError, match="no receipts of connection row 9"):
        receipts_of(study.run, 9)
