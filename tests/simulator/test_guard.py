"""Jobs in processes of their own: their results in turn, their errors, and their ends."""

import os
from collections.abc import Callable, Iterator

import pytest

from chunk7.delivery.errors import OrderingError, UsageError
from chunk7.simulator.explore.guard import Job, guarded


def dealt(items: list[str], place: int, count: int) -> Job[tuple[str, int]]:
    """The items of one of `count` jobs, each with the process that yields it."""

    def job(tick: Callable[[], None]) -> Iterator[tuple[str, int]]:
        for item in items[place::count]:
            yield item, os.getpid()

    return job


@pytest.mark.parametrize("items", [[], ["a"], ["a", "b", "c"], ["a", "b", "c", "d"]], ids=len)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_dealt_to_several_comes_back_in_order(items: list[str], count: int) -> None:
    found = list(guarded(*(dealt(items, place, count) for place in range(count))))
    assert [item for item, _ in found] == items
    processes = {process for _, process in found}
    assert len(processes) == min(count, len(items))
    assert os.getpid() not in processes


def test_an_error_comes_after_what_was_before_it() -> None:
    def fails(tick: Callable[[], None]) -> Iterator[tuple[str, int]]:
        yield "b", 0
        raise UsageError("no such thing")

    found = guarded(dealt(["a", "-", "c", "-"], 0, 2), fails)
    assert [next(found)[0] for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(UsageError, match="no such thing"):
        next(found)


@pytest.mark.usefixtures("impatient")
def test_one_that_is_silent_ends_all() -> None:
    def silent(tick: Callable[[], None]) -> Iterator[tuple[str, int]]:
        while True:
            pass
        yield "never", 0

    with pytest.raises(OrderingError, match="loop for ever"):
        list(guarded(dealt(["a", "b"], 0, 1), silent))
