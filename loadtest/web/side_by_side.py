"""The load tests of one Locust beside each other: what each delivered, and how they differ."""

from collections.abc import Sequence
from itertools import pairwise

from chunk7.loadtest.options import CHOSEN
from chunk7.loadtest.round_controller import StartedTest
from chunk7.loadtest.web.judge import DeliveryAnswer, JudgeClient
from chunk7.wire.plan import OPTIONS

_TOLD = ("users", *(name for name, found in CHOSEN.items() if found.usual))
"""Of a plan, what can be chosen in the form; its orderings are in the table's rows."""


class Titled(DeliveryAnswer, frozen=True, kw_only=True):
    """What the judge says of one test; `title` is "" if there is only the one."""

    title: str = ""


class SideBySide(Titled, frozen=True, kw_only=True):
    """The newest test, and those before it, the newest of them first."""

    earlier: tuple[Titled, ...] = ()


def ask_for_all(judge: JudgeClient, tests: Sequence[StartedTest]) -> SideBySide:
    """Of all these tests, if the judge answers; of earlier ones only those that have results."""
    newest = judge.ask(tests[-1].first_round)
    if newest.document is None:
        return SideBySide(problem=newest.problem)
    earlier = [
        (test, answer)
        for test, after in reversed(list(pairwise(tests)))
        if (answer := judge.ask(test.first_round, after.first_round - 1)).document
        and answer.document.results
    ]
    if not earlier:
        return SideBySide(document=newest.document)
    shown = [tests[-1], *(test for test, _ in earlier)]
    title, *titles = (f"Test {test.number}{_settings(test, shown)}" for test in shown)
    return SideBySide(
        title=title,
        document=newest.document,
        earlier=tuple(
            Titled(title=title, document=answer.document)
            for title, (_, answer) in zip(titles, earlier, strict=True)
        ),
    )


def _settings(test: StartedTest, tests: Sequence[StartedTest]) -> str:
    """What was chosen otherwise than in some other of the tests, as the form calls it."""
    plans = [each.plan for each in tests if each.plan is not None]
    if test.plan is None:
        return ""
    told = [
        f"{OPTIONS[name].dest.replace('_', ' ')} {OPTIONS[name].spelled(getattr(test.plan, name))}"
        for name in _TOLD
        if len({getattr(plan, name) for plan in plans}) > 1
    ]
    return f": {', '.join(told)}" if told else ""
