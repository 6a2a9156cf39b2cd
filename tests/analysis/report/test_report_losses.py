"""Lost chunks for the page: all of them, or as many of each kind as there is room for."""

from pathlib import Path

import pytest
from report_kit import BUG, run_folder

from chunk7.analysis.report.losses import losses_of
from chunk7.analysis.study import Study, open_study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Seven losses: four by the handover gap, three by the save lag."""
    return open_study(run_folder(tmp_path / "run", lossy=7))


def test_all_are_listed_when_there_is_room(study: Study) -> None:
    losses = losses_of(study)
    assert (losses.total, losses.shown) == (7, 7)
    assert losses.data["columns"]["connection"] == [str(k) for k in range(1, 8)]


def test_too_many_are_thinned_evenly_over_cells_and_causes(study: Study) -> None:
    losses = losses_of(study, most=4)
    assert (losses.total, losses.shown) == (7, 4)
    assert losses.data["columns"]["connection"] == ["1", "2", "3", "4"]
    assert losses.data["columns"]["cause"] == [0, 1, 0, 1]


def test_the_first_few_are_told_in_words_by_time(study: Study) -> None:
    first, second = losses_of(study, in_words=2).told
    assert (first.title, first.cell) == ("chunk 2 of lossy, connection 1", BUG.name)
    assert (first.cause, second.cause) == ("handover gap", "save lag")
    assert [(label, at) for label, _, at in first.instants] == [
        ("", "0.000"),
        ("", "2.000"),
        ("", "3.000"),
        ("T1", "41.000"),
        ("T2", "50.000"),
        ("T3", "55.000"),
        ("T4", "60.000"),
        ("", "5,000.000"),
    ]


def test_a_run_without_losses_has_none(tmp_path: Path) -> None:
    losses = losses_of(open_study(run_folder(tmp_path / "run", lossy=0)))
    assert (losses.total, losses.shown, losses.told) == (0, 0, [])
    assert losses.data["columns"]["seq"] == []
