"""The load tests of one Locust are shown beside each other, whichever was started last."""

from collections.abc import Mapping

import msgspec
from web_kit import BUG, FIX, judged

from chunk7.loadtest.round_controller import StartedTest
from chunk7.loadtest.web.judge import DeliveryAnswer, JudgeClient
from chunk7.loadtest.web.side_by_side import SideBySide, ask_for_all
from chunk7.wire.live import Document
from chunk7.wire.plan import Cell, Plan

FIRST = Plan(run="r", cells=[Cell("a", "b")], node_work_ms=50, users=10)
SECOND = msgspec.structs.replace(FIRST, node_work_ms=0, number=3, run="r-3", seed=9)


class Judge(JudgeClient):
    """Answers what it is given, by the range of rounds."""

    def __init__(self, answers: Mapping[tuple[int, int | None], DeliveryAnswer]) -> None:
        super().__init__("http://nobody")
        self.answers = answers

    def ask(self, from_round: int, to_round: int | None = None) -> DeliveryAnswer:
        return self.answers[from_round, to_round]


def answer(*results: object) -> DeliveryAnswer:
    return DeliveryAnswer(document=msgspec.convert(judged(results=[*results]), Document))


def test_a_second_test_does_not_hide_the_first_and_is_told_from_it_by_what_was_chosen() -> None:
    """The bug's numbers were gone as soon as the fix was started: nothing could be compared."""
    judge = Judge({(3, None): answer(FIX), (1, 2): answer(BUG)})
    shown = ask_for_all(judge, [StartedTest(1, 1, FIRST), StartedTest(2, 3, SECOND)])
    assert shown.title == "Test 2: node work ms 0"
    assert shown.document == answer(FIX).document
    [earlier] = shown.earlier
    assert (earlier.title, earlier.document) == ("Test 1: node work ms 50", answer(BUG).document)


def test_a_test_that_has_just_been_started_is_there_with_the_others() -> None:
    judge = Judge({(3, None): answer(), (1, 2): answer(BUG)})
    shown = ask_for_all(judge, [StartedTest(1, 1, FIRST), StartedTest(2, 3)])
    assert [shown.title, *(test.title for test in shown.earlier)] == ["Test 2", "Test 1"]


def test_one_test_has_no_title_and_one_without_results_is_left_out() -> None:
    judge = Judge({(3, None): answer(FIX), (1, 2): answer()})
    shown = ask_for_all(judge, [StartedTest(1, 1, FIRST), StartedTest(2, 3, SECOND)])
    assert shown == SideBySide(document=answer(FIX).document)


def test_a_judge_that_does_not_answer_is_not_asked_for_the_others() -> None:
    judge = Judge({(3, None): DeliveryAnswer(problem="away")})
    shown = ask_for_all(judge, [StartedTest(1, 1, FIRST), StartedTest(2, 3, SECOND)])
    assert shown == SideBySide(problem="away")
