"""The search that was written by hand finds in its cell what `chunk7 explore` finds there."""

import pytest

from benchmarks.explore import WALKED, explored_cell, searched_cell
from benchmarks.explore_by_hand import search


@pytest.mark.parametrize("chunks", [1, 2, 3, 6])
def test_as_many_schedules_and_as_many_that_lose(chunks: int) -> None:
    by_hand = search(chunks)
    assert (by_hand.schedules, by_hand.losing) == explored_cell(chunks)[1:]
    assert by_hand.losing


def test_a_moment_that_is_remembered_is_walked_once_and_counts_as_often_as_before() -> None:
    steps, *counts = searched_cell(2, WALKED)
    remembered = search(2)
    assert counts == [remembered.schedules, remembered.losing]
    assert remembered.steps < steps / 100
