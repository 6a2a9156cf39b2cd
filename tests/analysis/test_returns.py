"""Users who lose their connection and come back: one visit, several connections, one verdict."""

from pathlib import Path

import pytest
from story import CELL, Story, ns

from chunk7.analysis.gather import gather
from chunk7.analysis.returns import absences
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.study import Study, analyse
from chunk7.delivery.errors import RecordError
from chunk7.wire.tables import Via


def judged(story: Story) -> Study:
    return analyse(story.end())


def cut_and_back(folder: Path, received: tuple[int, ...] = (1, 2, 3)) -> Story:
    """Cut at 1,000, back at 1,300 as connection 9; chunks 1, 2, 3 at 30, 1,100 and 1,500."""
    story = Story(folder)
    for seq, at_ms in ((1, 30), (2, 1_100), (3, 1_500)):
        story.chunk(seq, at_ms)
    came = {1: (31, 1), 2: (1_300, 2, Via.HISTORY), 3: (1_501, 3)}
    story.connection(1, [came[seq] for seq in received])
    story.join(1, node="node-1")
    story.returned(9, 1, 1_000, 1_300, after_seq=1)
    story.join(
        9, (1_250, 1_250), (1_260, 1_260), process="node-2", accepted_ns=ns(1_240), after_seq=1,
        history_first_seq=2, history_last_seq=2, history_count=1,
    )  # fmt: skip
    return story


def test_a_user_who_came_back_and_got_all_lacks_nothing(tmp_path: Path) -> None:
    study = judged(cut_and_back(tmp_path))
    [result] = study.summary.results
    assert (result.connections, result.chunks_delivered, result.chunks_lost) == (1, 3, 0)
    assert result.returns == {
        "users_cut": 1, "returns": 1, "tries": 1, "never_back": 0,
        "away_ms_median": 300.0, "away_ms_max": 300.0,
        "chunks_away": 1, "chunks_away_got": 1, "chunks_away_lost": 0,
        "chunks_away_undetermined": 0,
    }  # fmt: skip


def test_without_a_cut_nothing_is_said_of_returns(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.chunk(1, 30)
    story.connection(1, [(31, 1)])
    story.join(1)
    assert judged(story).summary.results[0].returns == {}


def test_a_loss_while_away_is_explained_by_the_join_that_came_back(tmp_path: Path) -> None:
    """Read at 1,050, chunk 2 published at 1,100, subscribed at 1,260: the seed's bug, again."""
    story = Story(tmp_path)
    story.chunk(1, 30)
    story.chunk(2, 1_100)
    story.connection(1, [(31, 1)])
    story.join(1, (2, 2), (2, 2))
    story.returned(9, 1, 1_000, 1_300)
    story.join(9, (1_050, 1_050), (1_260, 1_260), process="node-2", accepted_ns=ns(1_040))
    study = judged(story)
    [result] = study.summary.results
    assert result.causes == {"handover_gap": 1}
    [loss] = study.losses.to_dict("records")
    assert (loss["connection_id"], loss["node"], loss["seq"]) == (1, "node-2", 2)
    assert result.returns["chunks_away_lost"] == 1
    assert result.chunks_lost_predicted == 0.0  # the law is about the moment that was drawn


def test_a_loss_long_before_the_cut_is_explained_by_the_first_join(tmp_path: Path) -> None:
    """Read at 2, published at 30, subscribed at 40: in the gap of the first join."""
    story = Story(tmp_path)
    story.chunk(1, 30)
    story.connection(1)
    story.join(1, (2, 2), (40, 40))
    story.returned(9, 1, 1_000, 1_300)
    story.join(9, (1_250, 1_250), (1_260, 1_260), process="node-2", history_count=1)
    [loss] = judged(story).losses.to_dict("records")
    assert (loss["cause"], loss["node"]) == ("handover_gap", "node")


def test_what_was_on_its_way_as_the_node_died_is_for_the_next_join_to_bring(tmp_path: Path) -> None:
    """Published 10 ms before the cut, after the first subscription: the second history lacks it."""
    story = Story(tmp_path)
    story.chunk(1, 990, save_ms=1_400)
    story.connection(1)
    story.join(1, (2, 2), (3, 3))
    story.returned(9, 1, 1_000, 1_300)
    story.join(9, (1_260, 1_260), (1_250, 1_250), process="node-2")
    [loss] = judged(story).losses.to_dict("records")
    assert (loss["cause"], loss["node"]) == ("save_lag", "node-2")


def test_who_never_came_back_lost_the_rest_to_the_node_that_went(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.chunk(1, 30)
    story.chunk(2, 1_100)
    story.connection(1, [(31, 1)], closed_ns=ns(1_000), by_server=True, close_code=1006)
    story.join(1)
    story.returned(9, 1, 1_000, None)
    story.returned(10, 1, 1_000, None, opening_ns=ns(1_500))
    [result] = judged(story).summary.results
    assert result.causes == {"node_gone": 1}
    assert result.returns == {
        "users_cut": 1, "returns": 0, "tries": 2, "never_back": 1,
        "chunks_away": 1, "chunks_away_got": 0, "chunks_away_lost": 1,
        "chunks_away_undetermined": 0,
    }  # fmt: skip


def test_who_was_cut_and_did_not_even_try_is_counted(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.chunk(1, 30)
    story.connection(1, [(31, 1)], closed_ns=ns(4_990), by_server=True, close_code=1006)
    story.join(1)
    [result] = judged(story).summary.results
    assert (result.returns["users_cut"], result.returns["tries"]) == (1, 0)


def test_two_absences_of_a_user_are_told_apart(tmp_path: Path) -> None:
    """Cut at 1,000 and 2,000; the second time one try failed, and the next one came through."""
    story = cut_and_back(tmp_path)
    story.chunk(4, 2_100)
    story.chunk(5, 2_200)
    story.returned(10, 1, 2_000, None)
    story.returned(11, 1, 2_000, 2_600)
    story.join(11, (2_550, 2_550), (2_560, 2_560), process="node-2")
    folder = story.end()
    study = analyse(folder)
    table = absences(study.run, study.judgement)
    columns = ["away_ms", "tries", "chunks", "got", "lost", "undetermined"]
    assert table[columns].to_numpy().tolist() == [[300, 1, 1, 1, 0, 0], [600, 2, 2, 0, 2, 0]]
    summed = study.summary.results[0].returns
    assert (summed["users_cut"], summed["returns"], summed["tries"]) == (1, 2, 3)


def test_a_first_connection_that_brought_nothing_leaves_all_to_the_one_that_did(
    tmp_path: Path,
) -> None:
    """The first try met a node that was killed; no join of it is on record."""
    story = Story(tmp_path)
    story.chunk(1, 100, save_ms=700)
    story.connection(1, connected_ns=ns(450), history_ns=ns(500), welcome_ns=ns(501))
    story.returned(9, 1, 5, 500)
    story.join(9, (460, 460), (450, 450))
    study = judged(story)
    [loss] = study.losses.to_dict("records")
    assert (loss["cause"], loss["node"]) == ("save_lag", "node")
    assert not [line for line in study.summary.invalid_because if "join" in line]


def test_joins_of_returns_are_nobodys_window(tmp_path: Path) -> None:
    """They happened at the moment of a fault, not at one that was drawn."""
    study = judged(cut_and_back(tmp_path))
    assert study.run.joins.shape[0] == 2
    [result] = study.summary.results
    assert (result.window_ms.p50, result.window_ms.p99) == (1.0, 1.0)
    assert study.connections["node"].tolist() == ["node-1"]


def test_a_run_with_returns_is_valid_and_one_with_a_strangers_join_is_not(tmp_path: Path) -> None:
    story = cut_and_back(tmp_path / "one")
    story.healthy("locust", "node", "node-2", "producer")
    assert judged(story).summary.valid
    story = cut_and_back(tmp_path / "two")
    story.join(77)
    [line] = judged(story).summary.invalid_because
    assert line == "nodes recorded 1 joins of connections that the load test did not open"


def test_a_return_before_its_loss_is_a_contradiction(tmp_path: Path) -> None:
    story = cut_and_back(tmp_path)
    story.returned(10, 1, 2_000, 1_900)
    [line] = judged(story).summary.invalid_because
    assert line == "negative window: 1 returns have opening_ns before lost_ns"


@pytest.mark.parametrize(
    ("connection_id", "first_id", "said"),
    [(9, 77, "1 returns of connections never opened"), (1, 1, "a connection_id was used twice")],
)
def test_returns_that_cannot_be_are_refused(
    connection_id: int, first_id: int, said: str, tmp_path: Path
) -> None:
    story = Story(tmp_path)
    story.connection(1)
    story.returned(connection_id, first_id, 100, 200)
    with pytest.raises(RecordError, match=said):
        gather(story.end())


def test_a_folder_gathered_before_there_were_returns_has_none(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.chunk(1, 30)
    story.connection(1, [(31, 1)])
    folder = story.end()
    gather(folder)
    (folder / "returns.parquet").unlink()
    assert load_run(folder).returns.empty
    assert load_run(folder).manifest.plan.cells == [CELL]
