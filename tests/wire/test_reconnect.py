"""A lost store is looked for until it is there, and never in a hurry."""

import pytest

from chunk7.delivery.errors import StoreLost, StoreUnreachable, UsageError
from chunk7.wire.store import reconnect


async def waits(failures: list[Exception], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited before each attempt, with a clock that does not really wait."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def attempt() -> str:
        if failures:
            raise failures.pop(0)
        return "open"

    monkeypatch.setattr(reconnect.asyncio, "sleep", sleep)
    monkeypatch.setattr(reconnect.random, "uniform", lambda low, high: high)
    assert await reconnect.until_open(attempt) == "open"
    return slept


async def test_intervals_double_up_to_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[Exception] = [StoreUnreachable("no"), StoreLost("no")] * 3
    slept = await waits(failures, monkeypatch)
    assert slept == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


async def test_what_trying_again_cannot_mend_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError):
        await waits([UsageError("--redis: no")], monkeypatch)


def test_another_run_id_is_another_server_and_none_at_all_says_nothing() -> None:
    server = reconnect.ServerIdentity()
    old, new = "0123456789abcdef", "fedcba9876543210"
    assert [server.learn(run_id) for run_id in ("", old, old, "", new, new, old)] == [
        *(None, None, None, None),
        "01234567 -> fedcba98",
        None,
        "fedcba98 -> 01234567",
    ]
