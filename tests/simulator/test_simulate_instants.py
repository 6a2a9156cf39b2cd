"""Looking up counts what a binary search would count."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chunk7.simulator.virtual.instants import Lookup

_MOMENTS = st.lists(st.integers(0, 1_000).map(lambda part: part / 16), max_size=40)


@given(instants=_MOMENTS, crowd=st.integers(0, 30), asked=_MOMENTS)
def test_a_lookup_counts_as_a_search_does(
    instants: list[float], crowd: int, asked: list[float]
) -> None:
    """A crowd of instants at one moment is more than are compared one by one."""
    ascending = np.sort(np.array([*instants, *[17.25] * crowd]))
    moments = np.array([*asked, *instants, 17.25, 0.0])
    lookup = Lookup(ascending, 64.0)
    assert lookup.before(moments).tolist() == np.searchsorted(ascending, moments).tolist()
    expected = np.searchsorted(ascending, moments, side="right")
    assert lookup.until(moments).tolist() == expected.tolist()


def test_the_instant_behind_the_last_never_comes() -> None:
    lookup = Lookup(np.array([1.0, 2.0]), 4.0)
    assert lookup.at(np.array([0, 1, 2])).tolist() == [1.0, 2.0, np.inf]
