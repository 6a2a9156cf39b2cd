"""Ways, the shortest of them and the longest, on a graph small enough to be counted by hand.

3 leads to 2, to 1 twice and to 0; 2 leads to 1 and 0; 1 leads to 0. Ends are 0 and 1.
"""

from chunk7.simulator.explore.counting import levels, longest, shortest_ways, ways, ways_by_kind

CHILDREN = [(), (0,), (1, 0), (2, 1, 1, 0)]


def test_each_way_to_each_end_counts_once() -> None:
    # to 1: by 2, or in either way directly; to 0 as often from there, and twice without it
    assert ways(CHILDREN, {1: 1}) == 3
    assert ways(CHILDREN, {0: 1}) == 5
    assert ways(CHILDREN, {0: 1, 1: 10}) == 35
    assert ways(CHILDREN, {}) == 0


def test_kinds_are_counted_by_themselves_though_in_one_number() -> None:
    assert ways_by_kind(CHILDREN, {0, 1}, [{1}, set(), {0}, {0, 1}]) == (8, [3, 0, 5, 8])
    assert ways_by_kind(CHILDREN, {0}, [set()]) == (5, [0])


def test_a_level_has_what_fewer_steps_do_not_lead_to() -> None:
    assert levels(CHILDREN) == [{3}, {0, 1, 2}]
    assert levels([(), (0,), (1, 1)]) == [{2}, {1}, {0}]


def test_the_shortest_ways_have_the_fewest_steps_then_the_lowest_end() -> None:
    assert shortest_ways(CHILDREN, levels(CHILDREN), {0: 7, 1: 2}) == [{3}, {1}]
    chain = [(), (0,), (0,), (1, 2)]
    assert shortest_ways(chain, levels(chain), {0: 0}) == [{3}, {1, 2}, {0}]


def test_the_longest_way_goes_through_everything() -> None:
    assert longest(CHILDREN) == 3
    assert longest([()]) == 0
