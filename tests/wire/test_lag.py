import asyncio
import time

from chunk7.wire.lag import LagMonitor


async def test_a_blocked_loop_is_seen_while_it_is_blocked() -> None:
    lag = LagMonitor(every_s=0.001)
    lag.start()
    time.sleep(0.05)  # noqa: ASYNC251 - blocking the loop is the point
    assert lag.take_ms() >= 40
    lag.stop()


async def test_a_block_is_seen_once_and_then_forgotten() -> None:
    lag = LagMonitor(every_s=0.001)
    lag.start()
    time.sleep(0.2)  # noqa: ASYNC251 - blocking the loop is the point
    await asyncio.sleep(0.01)
    assert lag.take_ms() >= 190
    await asyncio.sleep(0.01)
    assert lag.take_ms() < 190
    lag.stop()


async def test_a_stopped_monitor_measures_nothing() -> None:
    lag = LagMonitor(every_s=0.001)
    lag.start()
    lag.stop()
    time.sleep(0.01)  # noqa: ASYNC251 - blocking the loop is the point
    assert lag.take_ms() == 0
