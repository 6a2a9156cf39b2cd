"""What `make test` leaves to `make wide` leaves no value of any argument untried."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from wide_kit import share

CONNECTS, WRITES = ("merge", "streams"), ("lua", "multi", "append", "save")
FAULTS = ((), ("node_kill",), ("trim",), ("evict", "trim"))


def stays(cases: list[tuple[object, ...]], one_in: int = 3) -> list[tuple[object, ...]]:
    return [case.values for case in share(cases, one_in) if not case.marks]


def test_one_in_three_stays_and_every_value_meets_a_third_of_each_others() -> None:
    often = stays([*product(CONNECTS, WRITES, FAULTS)])
    assert len(often) == 11
    assert {row[:2] for row in often} == {*product(CONNECTS, WRITES)}
    assert {row[::2] for row in often} == {*product(CONNECTS, FAULTS)}


@given(
    st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=40, unique=True),
    st.integers(1, 9),
)
def test_no_value_is_left_out_altogether(cases: list[tuple[object, ...]], one_in: int) -> None:
    often = stays(cases, one_in)
    for each, staying in zip(zip(*cases, strict=True), zip(*often, strict=True), strict=True):
        assert {*each} == {*staying}


def test_a_case_is_called_by_the_names_of_what_it_combines() -> None:
    names = [case.id for case in share([("merge", ()), ("streams", ("evict", "trim"))])]
    assert names == ["merge-none", "streams-evict+trim"]
