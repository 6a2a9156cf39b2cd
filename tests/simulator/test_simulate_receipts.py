"""Verdicts over ranges equal verdicts chunk by chunk."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.simulator.virtual.receipts import Range, contiguous, judge, subtract


@pytest.mark.parametrize(
    ("received", "verdict"),
    [
        ([(0, 6), (7, 10)], (0, 0, 0, [(6, 7)])),  # the bug report's chunk 7
        ([(0, 7), (5, 10)], (2, 0, 1, [])),  # an overlap
        ([(5, 8), (0, 6), (8, 10)], (1, 5, 1, [])),  # live before the history
        ([(0, 4), (6, 10), (4, 6)], (0, 2, 1, [])),  # fetched afterwards
        ([], (0, 0, 0, [(0, 10)])),
        ([(0, 5), (0, 5), (0, 5)], (10, 0, 2, [(5, 10)])),
        ([(1, 4), (1, 5)], (3, 0, 1, [(0, 1), (5, 10)])),  # 1 2 3 1 2 3 4: the text jumps back
        ([(1, 2), (3, 4), (2, 3)], (0, 1, 1, [(0, 1), (4, 10)])),  # 1 3 2
        ([(1, 2), (1, 3)], (1, 0, 0, [(0, 1), (3, 10)])),  # 1 1 2: twice, but no jump
    ],
)
def test_literal_receipts(
    received: list[Range], verdict: tuple[int, int, int, list[Range]]
) -> None:
    assert judge(received, 10) == verdict


_RANGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted).map(tuple))


@given(_RANGES)
def test_ranges_are_judged_as_their_chunks_are(received: list[Range]) -> None:
    seen: set[int] = set()
    duplicates = late = 0
    order = [chunk for begin, end in received for chunk in range(begin, end)]
    rewinds = sum(b < a for a, b in pairwise(order))
    for begin, end in received:
        for chunk in range(begin, end):
            duplicates += chunk in seen
            late += chunk not in seen and any(other > chunk for other in seen)
            seen.add(chunk)
    found = judge(received, 12)
    assert found[:3] == (duplicates, late, rewinds)
    assert [c for begin, end in found[3] for c in range(begin, end)] == [
        chunk for chunk in range(12) if chunk not in seen
    ]


@given(st.tuples(st.integers(0, 9), st.integers(0, 9)), _RANGES)
def test_subtracting_leaves_what_is_in_no_other(whole: Range, without: list[Range]) -> None:
    taken = {chunk for begin, end in without for chunk in range(begin, end)}
    left = subtract([whole], without) if whole[0] < whole[1] else []
    assert [c for begin, end in left for c in range(begin, end)] == [
        chunk for chunk in range(*whole) if chunk not in taken
    ]


@given(st.lists(st.integers(0, 9)))
def test_ranges_of_indices_are_these_indices(indices: list[int]) -> None:
    ranges = contiguous(indices)
    assert [chunk for begin, end in ranges for chunk in range(begin, end)] == indices
