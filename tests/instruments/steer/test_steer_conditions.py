"""Thresholds on a steering, and what a CI system is shown of it."""

from xml.etree import ElementTree as Xml

import pytest
from steer_kit import BUG, FIX, HUNG, KEPT, LOSING, LOST, MENDED, NAIVE, REFUSED, steered

from chunk7.delivery.errors import UsageError
from chunk7.instruments.steer.conditions import (
    hold_conditions,
    junit,
    parse_steer_threshold,
    sentence,
)
from chunk7.instruments.steer.outcome import SteerResult

OPEN = steered(FIX, {"save 1, publish 1, subscribe, read": (HUNG, KEPT)})


@pytest.mark.parametrize(
    ("result", "text", "outcome"),
    [
        (MENDED, "lossy_schedules==0", ""),
        (NAIVE, "lossy_schedules==0", "crossed: lossy_schedules is 1 (lossy_schedules==0)"),
        (NAIVE, "natural_loss_rate<=0.05", ""),
        (NAIVE, "natural_loss_rate_high<=0.05", "crossed: natural_loss_rate_high is 0.104954"),
        (OPEN, "natural_loss_rate<=1", "unknown: natural_loss_rate is unknown"),
        (OPEN, "lossy_tries<=0", "unknown: lossy_tries is 0, but 1 schedules could not be told"),
        (OPEN, "undetermined_schedules==0", "crossed: undetermined_schedules is 1"),
        (OPEN, "infeasible_schedules>=1", ""),
    ],
)
def test_a_threshold_holds_is_crossed_or_cannot_be_told(
    result: SteerResult, text: str, outcome: str
) -> None:
    held = hold_conditions([parse_steer_threshold(text)], result)
    told = [f"crossed: {one}" for one in held.crossed] + [f"unknown: {one}" for one in held.unknown]
    assert [one[: len(outcome)] for one in told] == ([outcome] if outcome else [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("loss_rate==0", "no metric 'loss_rate'; one of lossy_schedules, lossy_tries"),
        ("buffered_merge: lossy_tries==0", "there are no cells here; write 'lossy_schedules==0'"),
        ("lossy_tries", "such as 'lossy_schedules==0' or"),
    ],
)
def test_a_wrong_threshold_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_steer_threshold(text)
    assert reason in str(refused.value)


def cases(document: bytes) -> dict[str, str]:
    """By name, the outcome and its message, or the note."""
    (suite,) = Xml.fromstring(document)  # noqa: S314 - our own
    return {
        case.attrib["name"]: f"{one.tag}: {one.text}"
        for case in suite.findall("testcase")
        for one in case
    }


def test_without_thresholds_each_schedule_is_a_test_that_a_loss_fails() -> None:
    told = cases(junit(steered(BUG, {LOSING: (LOST, LOST, KEPT)})))
    assert told[LOSING] == "failure: forced in 3 of 3 tries, chunk 1 lost in 2"
    assert told["publish 1, save 1, read, subscribe"] == "system-out: forced in 3 of 3 tries"
    infeasible = "system-out: infeasible: subscribe comes only after read"
    assert told["subscribe, read, publish 1, save 1"] == infeasible


def test_what_could_not_be_told_is_an_error_and_says_why() -> None:
    told = cases(junit(OPEN))["save 1, publish 1, subscribe, read"]
    assert told == "error: forced in 1 of 2 tries, undetermined in 1: no read within 5 s"
    mixed = steered(FIX, {"save 1, publish 1, subscribe, read": (KEPT, REFUSED)})
    assert sentence(mixed.rows[0]) == "forced in 1 of 2 tries, infeasible in 1"


def test_thresholds_are_the_tests_where_there_are_any() -> None:
    conditions = [parse_steer_threshold(t) for t in ("lossy_tries==0", "doubled_tries==0")]
    assert cases(junit(NAIVE, conditions)) == {
        "lossy_tries==0": "failure: lossy_tries is 3 (lossy_tries==0)",
        "doubled_tries==0": "system-out: doubled_tries is 0",
    }


def test_the_suite_names_the_target_and_its_verdict() -> None:
    (suite,) = Xml.fromstring(junit(NAIVE))  # noqa: S314 - our own
    assert suite.attrib["name"] == "chunk7 steer relay"
    assert float(suite.attrib["time"]) == pytest.approx(9 * 0.2)
    assert {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")} == {
        "target": "relay",
        "verdict": "loses",
        "equals": "history_then_subscribe x publish_then_save",
    }
