"""Where work runs, and how a signal ends it: as a command, in a thread, in a notebook's cell."""

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from chunk7.cluster.jobs.interrupts import run_interruptibly
from chunk7.delivery.errors import Interrupted


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


async def press_ctrl_c(said: list[str]) -> None:
    """Work that meets a Ctrl-C, and cleans up behind itself."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
    finally:
        said.append("cleaned up")


def in_a_cell(work: object) -> None:
    """As ipykernel executes a cell: synchronous code, in a loop that runs."""

    async def cell() -> None:
        work()  # type: ignore[operator]

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(cell())
    finally:
        loop.close()


def test_it_runs_as_a_command_in_a_cell_and_in_a_thread() -> None:
    """In a cell it used to be: asyncio.run() cannot be called from a running event loop."""
    assert run_interruptibly(answer()) == 42
    got: list[int] = []
    in_a_cell(lambda: got.append(run_interruptibly(answer())))
    assert got == [42]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: run_interruptibly(answer())).result() == 42


def test_ctrl_c_ends_it_in_order() -> None:
    said: list[str] = []
    with pytest.raises(Interrupted, match="SIGINT"):
        run_interruptibly(press_ctrl_c(said))
    assert said == ["cleaned up"]


def test_ctrl_c_ends_it_in_order_in_a_cell() -> None:
    said: list[str] = []
    with pytest.raises(Interrupted, match="SIGINT"):
        in_a_cell(lambda: run_interruptibly(press_ctrl_c(said)))
    assert said == ["cleaned up"]
