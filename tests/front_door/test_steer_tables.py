"""What `chunk7 steer` prints of its result, and the code it ends with."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from steer_kit import (
    BUG,
    FIX,
    HUNG,
    KEPT,
    LOSING,
    LOST,
    MENDED,
    NAIVE,
    PUBLISH,
    READ,
    SAVE,
    SUBSCRIBE,
    WRITE,
    learned,
    steered,
)

from chunk7.instruments.steer.conditions import hold_conditions, parse_steer_threshold
from chunk7.instruments.steer.outcome import SteerLearning, SteerResult, SteerRow
from chunk7.instruments.steer.plan import NETWORK, PlannedSchedule, SteerSchedule, SteerStep
from chunk7.steer_tables import (
    disagree,
    drawing,
    equal_finding,
    exit_code,
    learned_table,
    matrix,
    sentences,
    show,
    show_learned,
)

OPEN = steered(FIX, {"save 1, publish 1, subscribe, read": (HUNG, KEPT)})


def printed(printing: Callable[[Console], object], width: int = 120) -> str:
    """What stands on a console of such a width, without blanks at the ends of lines."""
    stream = StringIO()
    printing(Console(file=stream, width=width, highlight=False))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def test_what_was_learned_is_shown_with_the_options_that_state_it() -> None:
    assert printed(lambda console: show_learned(BUG, console)).splitlines() == [
        "command and name                 is the    begins only after on connection",
        "LRANGE chat:{session_id}:history read      -                 3",
        "SUBSCRIBE chat:{session_id}      subscribe read              4, its own",
        "PUBLISH chat:{session_id}        publish   -                 1",
        "RPUSH chat:{session_id}:history  save      publish           1",
        "",
        "Stated by options:",
        "  --read 'LRANGE chat:{session_id}:history'",
        "  --subscribe 'SUBSCRIBE chat:{session_id}'",
        "  --publish 'PUBLISH chat:{session_id}'",
        "  --save 'RPUSH chat:{session_id}:history'",
    ]


def test_save_and_publish_in_one_transaction_are_one_event() -> None:
    app = learned((READ, SUBSCRIBE), frozenset(), (WRITE,), frozenset())
    lines = printed(lambda console: console.print(learned_table(app))).splitlines()
    assert [line.split()[2] for line in lines[1:]] == ["read", "subscribe", "write", "write"]


def test_of_an_app_that_does_nothing_there_is_a_table_without_rows() -> None:
    assert printed(lambda console: show_learned(SteerLearning(), console)).startswith("command")


def test_what_a_fault_loses_is_said_and_decides_nothing() -> None:
    steps = (SteerStep(NETWORK, "stale_read"), *MENDED.rows[0].schedule.steps)
    row = SteerRow(PlannedSchedule(SteerSchedule(steps)), (LOST, KEPT))
    struck = replace(MENDED, rows=(*MENDED.rows, row))
    assert struck.verdict == MENDED.verdict
    assert struck.metrics["lossy_faults"] == 1
    assert (
        f"With a fault, {row.schedule.key}: loses chunk 1 in 1 of 2 forced tries; "
        "no part of the verdict."
    ) in sentences(struck)


def test_the_matrix_has_a_row_a_schedule_and_one_a_reason() -> None:
    result = steered(BUG, {LOSING: (LOST, LOST, replace(KEPT, late=1))})
    text = printed(lambda console: console.print(matrix(result)))
    assert [line.split("  ")[0] for line in text.splitlines()[1:]] == [
        "schedule",
        "read, publish 1, save 1, subscribe",
        "read, subscribe, publish 1, save 1",
        "publish 1, save 1, read, subscribe",
        "save comes only after publish",
        "subscribe comes only after read",
        "save comes only after publish; subscribe comes only after read",
    ]
    assert [line.split()[-9:] for line in text.splitlines()[1:4]] == [
        ["schedule", "orders", "outcome", "forced", "lost", "dup.", "ord.", "term.", "late"],
        ["subscribe", "4", "loses", "3/3", "2", "0", "0", "0", "1"],
        ["1", "1", "keeps", "3/3", "0", "0", "0", "0", "0"],
    ]
    assert text.splitlines()[5].split()[-2:] == ["6", "infeasible"]


def test_in_a_narrow_terminal_names_are_folded_and_nothing_is_cut() -> None:
    text = printed(lambda console: show(NAIVE, console, None), width=60)
    assert "forced" in text
    assert "too narrow for: unde-term." not in text


def test_a_loss_is_told_with_its_natural_rate_and_with_the_pair_it_is_like() -> None:
    assert list(sentences(replace(NAIVE, explored="loses", notes=("It shares a process.",)))) == [
        f"relay loses: {LOSING} loses chunk 1 in 3 of 3 forced tries.",
        "Not steered, and without the proxy, 1 of 50 joins lost something: 2.0% (0.4 to 10.5%).",
        "It behaves like history_then_subscribe x publish_then_save, of which explore says: loses.",
        "It shares a process.",
    ]


def test_a_survival_says_how_much_was_forced() -> None:
    assert next(sentences(MENDED)) == (
        "relay survives every feasible schedule: 4, forced in 12 tries; 12 infeasible."
    )


def test_a_schedule_that_was_named_says_nothing_of_the_others() -> None:
    one = replace(MENDED, rows=MENDED.rows[:1], replayed=True)
    assert next(sentences(one)) == (
        "relay keeps everything in 3 forced tries of: save 1, publish 1, subscribe, read."
    )


def test_what_is_unknown_says_why() -> None:
    assert list(sentences(OPEN)) == [
        "relay: unknown: 3 of 4 feasible schedules kept everything, of the others nobody knows; "
        "12 infeasible.",
        "undetermined: save 1, publish 1, subscribe, read: no read within 5 s, in 1 of 2 tries",
    ]


@pytest.mark.parametrize(
    ("result", "explored", "expected"),
    [
        (NAIVE, "loses", False),
        (NAIVE, "lossless", True),
        (MENDED, "loses", True),
        (MENDED, None, False),
        (OPEN, "loses", False),
        (NAIVE, "unknown", False),
    ],
)
def test_where_the_explorer_says_the_opposite_it_is_said(
    result: SteerResult, explored: str | None, expected: bool
) -> None:
    told = replace(result, explored=explored)
    assert disagree(told) is expected
    assert any("DISAGREE" in line for line in sentences(told)) is expected


def test_the_explorers_own_counterexample_stands_beside_the_losing_schedule() -> None:
    finding = equal_finding(NAIVE)
    assert finding is not None
    assert finding.verdict == "loses"
    text = drawing(NAIVE, finding)
    assert "relay: loses chunk 1 in 3 of 3 forced tries" in text
    assert "history_then_subscribe x publish_then_save: client1 loses chunk 1" in text
    assert drawing(NAIVE, None).startswith("relay: loses chunk 1")
    assert drawing(MENDED, equal_finding(MENDED)) == ""
    assert equal_finding(OPEN) is None


@pytest.mark.parametrize("write", [(PUBLISH, SAVE), (SAVE, PUBLISH)])
@pytest.mark.parametrize("join", [(READ, SUBSCRIBE), (SUBSCRIBE, READ)])
def test_of_every_order_the_explorer_agrees_with_what_a_store_would_do(
    join: tuple[object, ...], write: tuple[object, ...]
) -> None:
    """The law: published before the subscription, and saved after the read."""
    app = learned(join, frozenset([join]), write, frozenset([write]))  # type: ignore[arg-type]
    outcomes = {}
    for row in steered(app, {}).rows:
        at = [step.event for step in row.schedule.steps].index
        lost = at("publish") < at("subscribe") and at("read") < at("save")
        outcomes[row.schedule.key] = (LOST if lost else KEPT,)
    result = steered(app, outcomes)
    finding = equal_finding(result)
    if result.losing is None and join == (READ, SUBSCRIBE):
        pytest.fail("who reads first loses, whatever the producer does")
    assert finding is not None
    assert not disagree(replace(result, explored=finding.verdict))


@pytest.mark.parametrize(
    ("result", "fail_on", "threshold", "code"),
    [
        (NAIVE, [], None, 0),
        (NAIVE, ["loses"], None, 99),
        (NAIVE, ["unknown"], None, 0),
        (MENDED, ["loses", "unknown"], None, 0),
        (OPEN, [], None, 98),
        (OPEN, ["unknown"], None, 99),
        (NAIVE, [], "lossy_schedules==0", 99),
        (MENDED, [], "lossy_schedules==0", 0),
        (MENDED, [], "natural_loss_rate<=0.1", 0),
        (replace(MENDED, natural=None), [], "natural_loss_rate<=0.1", 98),
    ],
)
def test_the_code_says_whether_what_had_to_hold_held(
    result: SteerResult,
    fail_on: list[str],
    threshold: str | None,
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    conditions = [parse_steer_threshold(threshold)] if threshold else []
    assert exit_code(result, fail_on, hold_conditions(conditions, result)) == code
    said = capsys.readouterr().err
    assert said.startswith("threshold ") if threshold and code else said == ""
