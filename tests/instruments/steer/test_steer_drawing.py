"""A forced schedule is drawn as the explorer draws one, and beside it."""

from dataclasses import replace

import pytest
from steer_kit import BUG, DOUBLED, KEPT, LOSING, LOST, NAIVE, READ, SUBSCRIBE, WRITE, steered

from chunk7.exploration import explored
from chunk7.instruments.steer.drawing import beside, drawn
from chunk7.instruments.steer.outcome import SteerRow, Try
from chunk7.instruments.steer.plan import PlannedSchedule, SteerSchedule, SteerStep, plan
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.search import SearchLimits


def of(steps: list[tuple[str, str, int | None]], *tries: Try) -> SteerRow:
    schedule = SteerSchedule(tuple(SteerStep(*step) for step in steps))
    return SteerRow(PlannedSchedule(schedule), tries)


def marks(row: SteerRow) -> list[str]:
    return [step.mark for step in drawn(row, "relay").steps]


def test_the_losing_schedule_is_drawn_with_its_risk_window() -> None:
    assert NAIVE.losing is not None
    assert drawn(NAIVE.losing, "relay").text() == (
        "relay: loses chunk 1 in 3 of 3 forced tries\n"
        "\n"
        "     producer    app\n"
        "T1               read history           <- RISK WINDOW starts\n"
        "T2   publish 1                          |\n"
        "T3   save 1                             |\n"
        "T4               subscribe, confirmed   <- RISK WINDOW ends\n"
        "\n"
        "Chunk 1: LOST\n"
    )


def test_a_schedule_that_keeps_everything_has_no_window_and_says_what_came_twice() -> None:
    result = steered(BUG, {LOSING: (replace(DOUBLED, out_of_order=1), KEPT)})
    text = drawn(result.rows[0], "relay").text()
    assert text.startswith("relay: nothing is lost\n")
    assert "RISK" not in text
    assert text.endswith(
        "something comes twice in 1 of 2 forced tries\n"
        "something comes out of order in 1 of 2 forced tries\n"
    )


def test_the_window_is_that_of_the_lost_chunk_and_of_the_client_that_misses_it() -> None:
    steps: list[tuple[str, str, int | None]] = [
        ("join1", "subscribe", None),
        ("producer", "write", 1),
        ("join1", "read", None),
        ("join2", "read", None),
        ("producer", "write", 2),
        ("join2", "subscribe", None),
    ]
    row = of(steps, replace(LOST, lost=(2,)))
    assert marks(row) == ["", "", "", "<- RISK WINDOW starts", "|", "<- RISK WINDOW ends"]
    picture = drawn(row, "relay")
    assert picture.columns == ("producer", "app")
    assert picture.steps[3].fields == ["", "[client2] read history"]
    assert picture.steps[4].fields == ["save and publish 2", ""]


def test_a_chunk_that_a_fault_took_has_its_window_up_to_the_fault() -> None:
    steps: list[tuple[str, str, int | None]] = [
        ("join1", "read", None),
        ("join1", "subscribe", None),
        ("producer", "write", 1),
        ("network", "store_reconnect", None),
    ]
    row = of(steps, LOST)
    assert marks(row) == ["", "", "<- RISK WINDOW starts", "<- RISK WINDOW ends"]
    assert drawn(row, "relay").columns == ("producer", "network", "app")


def test_a_loss_that_no_order_explains_has_no_window() -> None:
    """Such as one by who leaves: the subscription that it ended was another's."""
    steps: list[tuple[str, str, int | None]] = [
        ("join1", "subscribe", None),
        ("leaver", "leave", None),
        ("producer", "write", 1),
    ]
    assert marks(of(steps, LOST)) == ["", "", ""]
    assert drawn(of(steps, LOST), "relay").columns == ("producer", "app", "leaver")


@pytest.mark.parametrize("one", plan((READ, SUBSCRIBE), set(), (WRITE,), set(), leaver=True))
def test_every_schedule_can_be_drawn(one: PlannedSchedule) -> None:
    lines = drawn(SteerRow(one, (LOST,)), "relay").text().splitlines()
    assert [line.split()[0] for line in lines[3:-2]] == [
        f"T{n}" for n in range(1, len(one.schedule.steps) + 1)
    ]


def test_beside_it_stands_the_explorers_own_counterexample() -> None:
    (found,) = explored(["history_then_subscribe"], ["publish_then_save"], [], 1, 1, SearchLimits())
    assert NAIVE.losing is not None
    ours = drawn(NAIVE.losing, "relay")
    theirs = found.examples[Failure.LOSSY][1]
    wide = beside(ours, theirs).splitlines()
    assert wide[0].startswith("relay: loses chunk 1 in 3 of 3 forced tries")
    assert wide[0].endswith("history_then_subscribe x publish_then_save: client1 loses chunk 1")
    assert sum("RISK WINDOW ends" in line for line in wide) == 2
    assert len({line.index("T1   take") for line in wide if "T1   take" in line}) == 1
    narrow = beside(ours, theirs, 80).splitlines()
    assert max(map(len, narrow)) <= 80
    assert "history_then_subscribe x publish_then_save: client1 loses chunk 1" in narrow
