"""The offset to the store's clock is found within its own uncertainty."""

import pytest

from chunk7.wire import clock
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


async def test_the_quickest_round_trip_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours and the store's clock differ by 1 ms; trips take 400, 100 and 300 us."""
    now = iter([0, 400_000, 1_000_000, 1_100_000, 2_000_000, 2_300_000])
    monkeypatch.setattr(clock, "now_ns", lambda: next(now))
    store = iter([1_200, 2_050, 3_150])

    async def time_us() -> int:
        return next(store)

    assert await clock.measure_offset(time_us, tries=3) == (1_000_000, 50_000)


async def test_two_measurements_of_a_real_store_agree(store_url: str) -> None:
    store = await Store.open(store_url)
    (first, first_error), (second, second_error) = [
        await clock.measure_offset(store.time_us) for _ in range(2)
    ]
    assert abs(first - second) <= first_error + second_error + 2_000  # TIME counts microseconds
    await store.close()
