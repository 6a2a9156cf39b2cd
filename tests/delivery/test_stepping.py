"""Whatever an ordering yields, a driver gets effects or one clear error."""

from collections.abc import Iterator
from typing import Any

import pytest

from chunk7.delivery.effects import Confirmed, Pause, ReadHistory, Subscribe
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.stepping import MAX_EFFECTS, Steps


def test_effects_come_one_by_one_and_answers_go_in() -> None:
    answers = []

    def ordering() -> Iterator[Any]:
        answers.append((yield Subscribe()))
        answers.append((yield ReadHistory()))

    steps = Steps(ordering())  # type: ignore[arg-type]
    assert steps.effect == Subscribe()
    steps.advance("sent")
    assert steps.effect == ReadHistory()
    steps.advance(("chunk",))
    assert (steps.effect, answers) == (None, ["sent", ("chunk",)])


def test_an_unknown_effect_is_refused() -> None:
    def ordering() -> Iterator[Any]:
        yield "SUBSCRIBE"

    with pytest.raises(OrderingError, match="yielded 'SUBSCRIBE', which is no effect"):
        Steps(ordering())  # type: ignore[arg-type]


def test_an_ordering_that_raises_is_named_as_the_culprit() -> None:
    def ordering() -> Iterator[Any]:
        yield Pause()
        raise ValueError("boom")

    steps = Steps(ordering())  # type: ignore[arg-type]
    with pytest.raises(OrderingError, match="the ordering raised ValueError: boom"):
        steps.advance(None)


def test_an_endless_ordering_is_stopped() -> None:
    def ordering() -> Iterator[Any]:
        while True:
            yield Confirmed()

    steps = Steps(ordering())  # type: ignore[arg-type]
    for _ in range(MAX_EFFECTS - 1):
        steps.advance(None)
    with pytest.raises(OrderingError, match=f"more than {MAX_EFFECTS} effects"):
        steps.advance(None)
