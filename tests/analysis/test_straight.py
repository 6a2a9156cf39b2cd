"""Who came straight needs no further judging; whoever is judged in full gets the same verdicts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunk7.analysis import verdicts
from chunk7.analysis.run_folder import Receipts
from chunk7.analysis.straight import Expected, straight
from chunk7.analysis.verdicts import Chunks, Judgement, Listeners, judge_batch
from chunk7.wire.tables import Via

THREE = Expected(
    low=np.array([0]),
    end=np.array([3]),
    opening_ns=np.array([5.0]),
    until_ns=np.array([25.0]),
    seq=np.array([1, 2, 3]),
    digest=np.array([71, 72, 73]),
    due_from_ns=np.array([10.0, 20.0, 30.0]),
)
"""One client from 5 to 25 ns, to which chunks 1 and 2 are due of three."""

Row = tuple[int, int, float]
"""Number, content and instant of a receipt."""


def came(rows: list[Row], expected: Expected = THREE) -> bool:
    """Whether the one client came straight."""
    seq, digest, at_ns = (np.array(column) for column in zip(*rows, strict=True))
    offsets = np.array([0, len(rows)])
    found, row = straight(expected, offsets, seq, digest, at_ns.astype(float))
    assert not found[0] or row.tolist() == [expected.low[0] + place for place in range(len(rows))]
    return bool(found[0])


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(1, 71, 11), (2, 72, 21)], id="what was due"),
        pytest.param([(1, 71, 11), (2, 72, 21), (3, 73, 31)], id="and more, due after it left"),
    ],
)
def test_a_client_that_got_each_chunk_once_in_its_order_came_straight(rows: list[Row]) -> None:
    assert came(rows)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(1, 71, 11)], id="one that was due is missing at the end"),
        pytest.param([(2, 72, 21)], id="at the beginning"),
        pytest.param([(1, 71, 11), (3, 73, 31)], id="between others"),
        pytest.param([(1, 71, 11), (1, 71, 12), (2, 72, 21)], id="one came twice"),
        pytest.param([(2, 72, 21), (1, 71, 22)], id="out of order"),
        pytest.param([(1, 71, 11), (2, 70, 21)], id="altered"),
        pytest.param([(1, 71, 11), (2, 72, 21), (3, 73, 31), (4, 74, 41)], id="never sent"),
        pytest.param([(1, 71, 4), (2, 72, 21)], id="received before it opened"),
    ],
)
def test_whoever_got_anything_else_is_judged_in_full(rows: list[Row]) -> None:
    assert not came(rows)


def test_who_expects_nothing_and_got_nothing_came_straight() -> None:
    nothing = replace(THREE, until_ns=np.array([-np.inf]))
    no_rows = np.zeros(0, np.int64)
    found, _ = straight(nothing, np.array([0, 0]), no_rows, no_rows, np.zeros(0))
    assert found.tolist() == [True]


def test_an_instant_that_does_not_exist_proves_nothing() -> None:
    nan = np.array([np.nan])
    rows = [(1, 71, 11.0), (2, 72, 21.0)]
    assert not came(rows, replace(THREE, until_ns=nan))
    assert not came(rows, replace(THREE, opening_ns=nan))


def test_a_later_chunk_may_be_due_sooner() -> None:
    """Two producers: chunk 3 was published before chunk 2, and is missing though 2 is not due."""
    published = Chunks(
        row=np.arange(3),
        session=np.zeros(3, np.int64),
        seq=np.array([1, 2, 3]),
        digest=np.array([71, 72, 73]),
        due_ns=np.array([10.0, 30.0, 20.0]),
        known=np.ones(3, bool),
    )
    assert published.due_from_ns.tolist() == [10.0, 20.0, 20.0]
    assert not came([(1, 71, 11)], replace(THREE, due_from_ns=published.due_from_ns))


# --- both ways of judging agree ------------------------------------------------------------

Damage = Callable[[list[list[Any]], int], None]
"""Changes a client's receipts, lists of (seq, digest, via, at_ns), at a place."""

DAMAGES: dict[str, Damage] = {
    "lost": lambda rows, at: rows.__delitem__(at),
    "cut off": lambda rows, at: rows.__delitem__(slice(at, None)),
    "doubled": lambda rows, at: rows.insert(at, [*rows[at]]),
    "begun again": lambda rows, at: rows.extend([*row] for row in rows[:at]),
    "swapped": lambda rows, at: rows.insert(0, rows.pop(at)),
    "altered": lambda rows, at: rows[at].__setitem__(1, 99),
    "renumbered": lambda rows, at: rows[at].__setitem__(0, rows[at][0] + 5),
    "fetched": lambda rows, at: rows[at].__setitem__(2, Via.FETCH),
    "too early": lambda rows, at: rows[at].__setitem__(3, -50.0),
}


@st.composite
def batches(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `judge_batch`: sessions of a few chunks, and clients of every kind."""
    sizes = draw(st.lists(st.integers(0, 6), min_size=1, max_size=3))
    small = st.integers(0, 60).map(float)
    instants = st.one_of(small, st.just(np.nan))
    step = draw(st.sampled_from([1, 1, 1, 2]))
    seq = [1 + step * place for size in sizes for place in range(size)]
    if draw(st.integers(0, 9)) == 0:  # a counter that was reset
        seq = [min(number, 2) for number in seq]
    session = np.repeat(np.arange(len(sizes)), sizes)
    many = len(seq)
    digest = [draw(st.integers(70, 72)) for _ in seq]
    due = [draw(small) for _ in seq]
    chunks = Chunks(
        row=np.array(draw(st.permutations(range(many))), np.int64),
        session=session.astype(np.int64),
        seq=np.array(seq, np.int64),
        digest=np.array(digest, np.int64),
        due_ns=np.array(due, float),
        known=np.array([draw(st.booleans()) for _ in seq], bool),
    )
    clients, lists = [], []
    for _ in range(draw(st.integers(0, 5))):
        of, after = draw(st.integers(0, len(sizes) - 1)), draw(st.integers(0, 3))
        until = draw(instants)
        owed = [row for row in range(many) if session[row] == of and seq[row] > after]
        rows = [
            [seq[row], digest[row], draw(VIAS), due[row] + draw(small)]
            for row in owed
            if due[row] < until or draw(st.booleans())
        ]
        for name in draw(st.lists(st.sampled_from([*DAMAGES]), max_size=2)):
            if rows:
                DAMAGES[name](rows, draw(st.integers(0, len(rows) - 1)))
        lists.append(rows)
        clients.append((of, after, draw(instants), until, draw(instants), *map(draw, [BOOL] * 2)))
    return chunks, np.array([draw(instants) for _ in seq]), clients, lists


BOOL = st.booleans()
VIAS = st.sampled_from([Via.HISTORY, Via.LIVE, Via.FETCH])


def arrays_of(clients: list[Any], lists: list[Any]) -> tuple[Listeners, Receipts]:
    """What `judge_batch` takes."""
    columns = [*zip(*clients, strict=True)] or [()] * 7
    types = (np.int64, np.int64, float, float, float, bool, bool)
    rows = [*zip(*(row for of_client in lists for row in of_client), strict=True)] or [()] * 4
    seq, digest, via, at_ns = rows
    return Listeners(*(np.array(c, t) for c, t in zip(columns, types, strict=True))), Receipts(
        first_row=0,
        offsets=np.cumsum([0, *map(len, lists)]),
        seq=np.array(seq, np.int64),
        digest=np.array(digest, np.int64),
        via=np.array(via, np.uint8),
        at_ns=np.array(at_ns, float),
    )


def assert_same(one: Judgement, other: Judgement) -> None:
    """To the last bit and type."""
    pd.testing.assert_frame_equal(one.accounts, other.accounts, check_exact=True)
    pd.testing.assert_frame_equal(one.missing, other.missing, check_exact=True)
    assert one.latency_ms[0].tobytes() == other.latency_ms[0].tobytes()


@settings(max_examples=150, deadline=None)
@given(batches(), BOOL, st.sampled_from([0.0, 10.0]))
def test_judging_in_full_finds_nothing_else(
    batch: tuple[Any, ...], producer_died: bool, clocks_off_ns: float
) -> None:
    chunks, sent_ns, clients, lists = batch
    listeners, receipts = arrays_of(clients, lists)
    found = judge_batch(chunks, sent_ns, listeners, receipts, producer_died, clocks_off_ns)
    with pytest.MonkeyPatch.context() as patch:
        none = np.zeros(len(clients), bool), np.full(len(receipts.seq), -1)
        patch.setattr(verdicts, "_straight", lambda *_: none)
        full = judge_batch(chunks, sent_ns, listeners, receipts, producer_died, clocks_off_ns)
    assert_same(found, full)
