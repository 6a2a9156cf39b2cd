"""Thresholds: what can be written, what is refused, and when one is crossed."""

from typing import Any

import pytest
from test_results import result

from chunk7.analysis.results import Result
from chunk7.analysis.thresholds import (
    Threshold,
    ThresholdOutcome,
    beyond_proof,
    evaluate,
    metrics,
    parse_threshold,
)
from chunk7.delivery.errors import UsageError
from chunk7.wire.account import Quantiles


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("loss_rate<=0.001", ("loss_rate", "<=", 0.001, None, None)),
        (" window_ms.p95 < 30 ", ("window_ms.p95", "<", 30.0, None, None)),
        ("causes.tail==0", ("causes.tail", "==", 0.0, None, None)),
        ("chunks_delivered>1e3", ("chunks_delivered", ">", 1000.0, None, None)),
        ("a: loss_rate>=0", ("loss_rate", ">=", 0.0, "a", None)),
        ("a x b: loss_rate>=0", ("loss_rate", ">=", 0.0, "a", "b")),
        ("my/own.py:mine: loss_rate<1", ("loss_rate", "<", 1.0, "my/own.py:mine", None)),
        ("a x w.py:mine: loss_rate<1", ("loss_rate", "<", 1.0, "a", "w.py:mine")),
    ],
)
def test_a_threshold_is_a_metric_an_operator_and_a_number(
    text: str, threshold: tuple[Any, ...]
) -> None:
    assert parse_threshold(text) == Threshold(text.strip(), *threshold)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write METRIC"),
        ("loss_rate", "write METRIC"),
        ("loss_rate=0", "write METRIC"),
        ("loss_rate<=", "write METRIC"),
        ("a: b: loss_rate<=1", "write METRIC"),
        ("loss_rat<=0", "no metric 'loss_rat'; one of connections"),
        ("window_ms<=0", "no metric 'window_ms'"),
        ("causes.bad_luck<=0", "no metric 'causes.bad_luck'"),
        ("connect<=0", "no metric 'connect'"),
        ("loss_rate<=few", "'few' is not a number"),
        ("loss_rate<=nan", "'nan' is not a number"),
    ],
)
def test_a_bad_threshold_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        parse_threshold(text)
    assert "\n" not in str(error.value)


def hold(text: str, *results: Result) -> ThresholdOutcome:
    return evaluate([parse_threshold(text)], results)


def test_a_threshold_that_holds_says_nothing() -> None:
    assert hold("loss_rate<=0", result()) == ThresholdOutcome([], [])


def test_a_crossed_threshold_names_cell_and_value() -> None:
    assert hold(
        "loss_rate<=0.001", result(loss_rate_high=0.001), result(connect="c", loss_rate=0.25)
    ) == ThresholdOutcome(["c x b: loss_rate is 0.25 (loss_rate<=0.001)"], [])


@pytest.mark.parametrize(
    ("operator", "crossed"),
    [("<", [5, 6]), ("<=", [6]), (">", [4, 5]), (">=", [4]), ("==", [4, 6])],
)
def test_each_operator_compares_as_written(operator: str, crossed: list[int]) -> None:
    results = [result(chunks_lost=lost) for lost in (4, 5, 6)]
    sentences = hold(f"chunks_lost{operator}5", *results).crossed
    assert [int(sentence.split(" is ")[1].split()[0]) for sentence in sentences] == crossed


def test_a_limit_on_the_rate_that_its_interval_exceeds_is_not_proven() -> None:
    """`loss_rate<=0.001` used to pass with 60 connections, whose bound is 6%, without a word."""
    small = result(connections=60, loss_rate=0.0, loss_rate_high=0.0602)
    assert hold("loss_rate<=0.001", small) == ThresholdOutcome(
        [],
        [],
        [
            "a x b: loss_rate is 0, but may be 0.06; 3,838 connections without a loss would do "
            "(loss_rate<=0.001)"
        ],
    )
    lossy = result(connections=2_000, chunks_lost=1, loss_rate=0.0005, loss_rate_high=0.0028)
    assert hold("loss_rate<0.001", lossy).unproven == [
        "a x b: loss_rate is 0.0005, but may be 0.0028 (loss_rate<0.001)"
    ]


@pytest.mark.parametrize(
    "text", ["loss_rate<=0", "loss_rate>=0", "loss_rate<=1", "chunks_lost<=0.5", "loss_rate<=0.1"]
)
def test_a_count_and_a_limit_that_the_interval_keeps_to_need_no_more_proof(text: str) -> None:
    assert hold(text, result(loss_rate_high=0.0602)) == ThresholdOutcome([], [])


@pytest.mark.parametrize(
    ("text", "connections", "needed"),
    [
        ("loss_rate_high<=0.001", 120, 3_838),
        ("loss_rate<0.001", 120, 3_838),
        ("loss_rate_high<=0.05", 120, None),
        ("loss_rate_high<=0.05", 72, 73),
        ("loss_rate_high<=0.05", 73, None),
        ("loss_rate_high>0.001", 1, None),
        ("loss_rate<=0", 1, None),
        ("chunks_lost==0", 1, None),
    ],
)
def test_what_no_outcome_could_prove_is_known_beforehand(
    text: str, connections: int, needed: int | None
) -> None:
    assert beyond_proof(parse_threshold(text), connections) == needed


def test_a_null_metric_is_unknown() -> None:
    unknown = ["a x b: window_ms.p95 is unknown (window_ms.p95<30)"]
    assert hold("window_ms.p95<30", result()) == ThresholdOutcome([], unknown)


def test_a_quantile_and_a_cause_are_numbers_like_others() -> None:
    one = result(window_ms=Quantiles(1.0, 31.0, 40.0), causes={"tail": 2})
    assert hold("window_ms.p95<30", one).crossed == [
        "a x b: window_ms.p95 is 31 (window_ms.p95<30)"
    ]
    assert hold("causes.tail==0", one).crossed == ["a x b: causes.tail is 2 (causes.tail==0)"]
    assert hold("causes.trimmed==0", one) == ThresholdOutcome([], [])


def test_a_restricted_threshold_concerns_its_cells_only() -> None:
    cells = [result(chunks_lost=1), result(write="c", chunks_lost=1), result(connect="d")]
    assert len(hold("chunks_lost==0", *cells).crossed) == 2
    assert len(hold("a: chunks_lost==0", *cells).crossed) == 2
    assert len(hold("a x c: chunks_lost==0", *cells).crossed) == 1
    assert len(hold("d: chunks_lost==0", *cells).crossed) == 0


def test_a_threshold_on_a_cell_that_did_not_run_is_unknown() -> None:
    assert hold("z: chunks_lost==0", result()) == ThresholdOutcome(
        [], ["z: chunks_lost==0: no such cell in this run"]
    )


def test_every_metric_can_be_written_and_read() -> None:
    for metric in metrics():
        outcome = hold(f"{metric}>=-1e9", result())
        assert outcome.crossed == []
    assert "loss_rate" in metrics()
    assert "chunk_latency_ms.p99" in metrics()


def test_what_was_lost_between_connections_can_be_held_to_a_limit() -> None:
    """Where nobody was cut nothing was lost; how long nobody was away is no number."""
    texts = ["returns.chunks_away_lost==0", "returns.away_ms_max<1000"]
    limits = [parse_threshold(text) for text in texts]
    returns = {"users_cut": 1, "chunks_away_lost": 3, "away_ms_max": 20.0}
    crossed = evaluate(limits, [result(returns=returns)])
    assert len(crossed.crossed) == 1
    assert "returns.chunks_away_lost is 3" in crossed.crossed[0]
    none_cut = evaluate(limits, [result()])
    assert (none_cut.crossed, len(none_cut.unknown)) == ([], 1)
