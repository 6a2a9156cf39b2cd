"""The progress of a run, from a real HTTP server that answers as the producer does."""

import asyncio
import io
from functools import partial

import msgspec
import pytest
from aiohttp import web
from rich.console import Console

from chunk7.cluster.jobs.progress import follow, timetable_of
from chunk7.wire.clock import boot_id, now_ns
from chunk7.wire.plan import Cell, Plan, Timetable

pytestmark = pytest.mark.clocked

CELLS = [Cell("history_then_subscribe", "atomic_lua"), Cell("buffered_merge", "atomic_lua")]
ORDER = Plan(
    run="test", cells=CELLS, seed=7, sessions=1, duration_ms=300, settle_ms=100, lead_ms=100
)


def timetable() -> Timetable:
    """One that begins now."""
    return Timetable(plan=ORDER, epoch_ns=now_ns(), epoch_unix_ns=0, boot_id=boot_id(), sessions=[])


async def test_without_a_terminal_each_cell_is_a_line_once_there_is_a_timetable() -> None:
    asked = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked == 1:
            return web.Response(status=404)  # the load test has not ordered yet
        return web.Response(body=msgspec.json.encode(timetable()))

    application = web.Application()
    application.router.add_get("/timetable", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    output = io.StringIO()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        following = follow(partial(timetable_of, url), CELLS, Console(file=output, width=100))
        await asyncio.wait_for(following, 30)
    finally:
        await runner.cleanup()
    assert output.getvalue().splitlines() == [
        "1/2 history_then_subscribe x atomic_lua",
        "2/2 buffered_merge x atomic_lua",
    ]
