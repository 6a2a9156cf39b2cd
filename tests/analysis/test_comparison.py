"""Orderings of one run against each other: whole tables, and how often they are wrong."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from comparing_kit import connections

from chunk7.analysis.comparison import METRICS, NO_EVIDENCE, compare_cells
from chunk7.delivery.errors import UsageError

RUNS = 200
"""Synthetic runs without any difference. At 5%, more than 24 are wrong once in 30,000."""
MOST_WRONG = 24

BUG, FIX, STREAM = "bug x lua", "fix x lua", "streams x append"


def cells(rng: np.random.Generator, *of_cells: dict[str, Any]) -> pd.DataFrame:
    """A run of these cells."""
    return pd.concat(
        [
            connections(rng, **{"name": f"cell{k} x b", "cell": k, **given})
            for k, given in enumerate(of_cells)
        ],
        ignore_index=True,
    )


def two_cells(lossy_only: tuple[int, int], both: int, neither: int) -> pd.DataFrame:
    """BUG and FIX: so many pairs that only the one, only the other, both and neither lost in."""
    flags = [(1, 0)] * lossy_only[0] + [(0, 1)] * lossy_only[1] + [(1, 1)] * both
    flags += [(0, 0)] * neither
    users = np.arange(len(flags))
    return pd.concat(
        [
            pd.DataFrame(
                {"cell": k, "name": name, "user": users, "turn": 0, "duplicate": 2 * k,
                 "session_id": users, "lost": [flag[k] for flag in flags],
                 "join_ms": 3.0 + k * (1 + users)}
            )
            for k, name in enumerate((BUG, FIX))
        ]
    )  # fmt: skip


def test_two_cells_come_to_exactly_this_table() -> None:
    """McNemar of 12 against 2 of 14: 2 (1 + 14 + 91) / 2^14, and Newcombe's own example."""
    table = compare_cells(two_cells((12, 2), both=20, neither=16))
    loss, doubles, joins = table.to_dict("records")
    assert loss == {
        "metric": "loss_rate", "a": BUG, "b": FIX, "pairs": 50, "value_a": 0.64, "value_b": 0.44,
        "difference": 0.2, "low": pytest.approx(0.0562, abs=1.5e-4),
        "high": pytest.approx(0.3292, abs=1.5e-4), "only_a": 12.0, "only_b": 2.0,
        "p_value": pytest.approx(106 / 2**13), "p_adjusted": pytest.approx(106 / 2**13),
        "verdict": "A loses more",
    }  # fmt: skip
    assert (doubles["value_a"], doubles["value_b"], doubles["difference"]) == (0, 2, -2)
    assert doubles["verdict"] == "B doubles more"
    # Of the differences 1..50, Bin(50, 1/2) bounds the median by the 18th and the 33rd.
    assert (joins["difference"], joins["low"], joins["high"]) == (-25.5, -33.0, -18.0)
    assert (joins["p_value"], joins["verdict"]) == (2 / 2**50, "B joins more slowly")
    assert np.isnan([joins["only_a"], doubles["only_b"]]).all()


def test_too_few_pairs_are_no_evidence() -> None:
    table = compare_cells(two_cells((5, 0), both=0, neither=10))
    assert table["p_value"][0] == pytest.approx(2 / 2**5)
    assert table["verdict"][0] == NO_EVIDENCE


def test_only_joins_that_both_cells_made_are_pairs() -> None:
    frame = two_cells((12, 2), both=20, neither=16)
    gone = ((frame["cell"] == 1) & (frame["user"] < 10)) | (frame["user"] == 49)
    stranger = frame[:1].assign(user=-1)
    table = compare_cells(pd.concat([frame[~gone], stranger]))
    assert table["pairs"].tolist() == [39, 39, 39]
    assert (table["only_a"][0], table["only_b"][0]) == (2, 2)


def test_a_join_without_history_has_no_join_time_and_still_counts() -> None:
    frame = two_cells((12, 2), both=20, neither=16)
    frame.loc[frame["user"] < 30, "join_ms"] = np.nan
    assert compare_cells(frame)["pairs"].tolist() == [50, 50, 20]


def test_every_pair_is_compared_or_only_those_with_the_baseline() -> None:
    rng = np.random.default_rng(1)
    frame = cells(rng, {"name": BUG}, {"name": FIX}, {"name": STREAM})
    every = compare_cells(frame)
    assert list(every["metric"]) == [metric for metric in METRICS for _ in range(3)]
    loss = every[every["metric"] == "loss_rate"]
    assert list(zip(loss["a"], loss["b"], strict=True)) == [
        (BUG, FIX), (BUG, STREAM), (FIX, STREAM),
    ]  # fmt: skip
    some = compare_cells(frame, baseline=FIX)
    assert list(zip(some["a"], some["b"], strict=True))[:2] == [(FIX, BUG), (FIX, STREAM)]
    turned, straight = some.iloc[0], loss.iloc[0]
    assert (turned["difference"], turned["low"]) == pytest.approx(
        (-straight["difference"], -straight["high"])
    )
    with pytest.raises(UsageError, match=f"baseline 'none': one of {BUG}, {FIX}, {STREAM}"):
        compare_cells(frame, baseline="none")


def test_one_cell_has_nobody_to_be_compared_with() -> None:
    assert compare_cells(connections(np.random.default_rng(1))).empty


def test_orderings_alike_are_told_apart_in_at_most_5_percent_of_runs() -> None:
    """By metric, over all pairs of three cells."""
    rng = np.random.default_rng(5)
    wrong = dict.fromkeys(METRICS, 0)
    for _ in range(RUNS):
        table = compare_cells(cells(rng, *({"lossy": 0.3},) * 3))
        for metric in table.loc[table["verdict"] != NO_EVIDENCE, "metric"].unique():
            wrong[metric] += 1
    assert max(wrong.values()) <= MOST_WRONG, wrong


def test_orderings_that_differ_are_told_apart_in_nearly_all_runs() -> None:
    """45% against 15% of 120 joins, twice the duplicates, a join slower by a third."""
    rng = np.random.default_rng(6)
    found = dict.fromkeys(METRICS, 0)
    for _ in range(20):
        worst = {"lossy": 0.45, "doubles": 1.0, "join_ms": 4.0}
        table = compare_cells(cells(rng, worst, *({"lossy": 0.15},) * 3))
        for metric, family in table.groupby("metric"):
            of_worst = family["a"] == "cell0 x b"
            found[metric] += (family.loc[of_worst, "verdict"] == f"A {METRICS[metric]}").all()
    assert min(found.values()) >= 18, found


def test_an_ordering_that_is_better_in_some_sessions_and_worse_in_others_gets_no_verdict() -> None:
    """McNemar's test alone, 30 pairs against 10, took it for the worse one."""
    frame = two_cells((30, 10), both=0, neither=0)
    assert compare_cells(frame)["verdict"][0] == "A loses more"
    by_session = frame.assign(session_id=frame["user"] // 10)
    table = compare_cells(by_session)
    assert table["p_adjusted"][0] < 0.05
    assert table["low"][0] < 0 < table["high"][0]
    assert table["verdict"][0] == NO_EVIDENCE
