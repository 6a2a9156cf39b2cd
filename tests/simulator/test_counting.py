"""Ways, distances and depth, on a graph small enough to be counted by hand.

3 leads to 2, to 1 twice and to 0; 2 leads to 1 and 0; 1 leads to 0. Ends are 0 and 1.
"""

from chunk7.simulator.explore.counting import NEVER, STEP, distances, longest, ways

CHILDREN = [(), (0,), (1, 0), (2, 1, 1, 0)]


def test_each_way_to_each_end_counts_once() -> None:
    # to 1: by 2, or in either way directly; to 0 as often from there, and twice without it
    assert ways(CHILDREN, {1}) == 3
    assert ways(CHILDREN, {0}) == 5
    assert ways(CHILDREN, {0, 1}) == 8
    assert ways(CHILDREN, {}) == 0


def test_the_nearest_end_is_the_one_with_the_fewest_steps_then_the_least_on_top() -> None:
    assert distances(CHILDREN, {0: 7, 1: 2}) == [7, 2, STEP + 2, STEP + 2]
    assert distances(CHILDREN, {1: 2})[0] >= NEVER


def test_the_longest_way_goes_through_everything() -> None:
    assert longest(CHILDREN) == 3
    assert longest([()]) == 0
