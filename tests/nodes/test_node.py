"""The node as a process: how it starts, drains, ends, and what it leaves behind."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from node_kit import DEADLINE_S, StartNode, User, chunk, eventually
from websockets.asyncio.client import connect

from chunk7.delivery.errors import RecordError, UsageError
from chunk7.nodes.__main__ import main
from chunk7.wire.records import read_back
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


async def test_draining_sends_clients_elsewhere_and_tells_the_proxy(start: StartNode) -> None:
    node = await start("--drain-s", "2")
    holdout = await connect(node.url(ordering="buffered_merge"), ping_interval=None)
    user = User(holdout)
    await user.frames(2)
    async with node.client("buffered_merge") as leaver:
        await leaver.frames(2)
        holdout.transport.pause_reading()  # never answers the close frame: the drain has to wait
        node.stop.set()
        assert await leaver.closed() == (1012, "drain")
        assert await node.get("/healthz") == (503, "the node drains\n")
    await node.end()
    assert sorted(row["close_code"] for row in node.table("leaves")) == [1012, 1012]
    assert [row["kind"] for row in node.table("events")] == ["drain"]
    holdout.transport.abort()


async def test_draining_ends_a_join_under_way(start: StartNode) -> None:
    node = await start("--drain-s", "5")
    async with node.client("history_then_subscribe", work_ms=10_000) as user:
        assert await user.frames(1) == ["history"]
        node.stop.set()
        assert await user.closed() == (1012, "drain")
    await node.end()
    [join] = node.table("joins")
    assert join["error"] == "the store: the node drains"


async def test_health_and_clock_are_recorded(start: StartNode) -> None:
    node = await start()
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        await eventually(lambda: (node.records / "n1.health.arrows").exists())
    await node.end()
    health = node.table("health")[0]
    assert health["open_count"] == 1
    assert health["rss_bytes"] > 1_000_000
    assert health["loop_lag_ms"] >= 0
    first, last = node.table("clocks")
    assert first["at_ns"] < last["at_ns"]
    assert abs(first["offset_ns"] - last["offset_ns"]) < 1_000_000_000


async def test_a_folder_with_records_of_the_same_node_is_refused(start: StartNode) -> None:
    node = await start()
    await node.end()
    with pytest.raises(UsageError, match=r"--records: .* already has records of n1"):
        await start()
    await start(name="n2")


async def test_a_port_in_use_is_named_and_leaves_no_records(
    start: StartNode, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--listen: 127\.0\.0\.1:{port}: .*in use"):
            await start("--listen", f"127.0.0.1:{port}")
    assert list((tmp_path / "raw").iterdir()) == []


def test_bad_input_is_one_line_and_the_exit_code_says_whose_fault_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    rest = ("--listen", "127.0.0.1:0", "--name", "n", "--redis")
    cases = {
        (*rest, "redis://127.0.0.1:1", "--records", str(tmp_path / "r")): 1,
        (*rest, "http://x", "--records", str(tmp_path / "r")): 2,
        (*rest, "redis://x", "--records", str(tmp_path / "file")): 2,
        ("--listen", "127.0.0.1:0"): 2,
    }
    for arguments, code in cases.items():
        assert main(arguments) == code
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("nodes: error: ")


START_WITHIN_S = 60.0
"""What a process imports first may take long beside other tests; what it then does may not."""


async def _start_process(store_url: str, records: Path) -> tuple[asyncio.subprocess.Process, str]:
    """A node of its own, and its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chunk7.nodes", "--listen", "127.0.0.1:0", "--redis", store_url),
        *("--name", "n1", "--records", str(records)),
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None
    async with asyncio.timeout(START_WITHIN_S):
        line = (await process.stderr.readline()).decode()
    assert line.startswith("n1: listening on ")
    return process, line.split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_the_process_and_it_ends_well(
    store_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    process, address = await _start_process(store_url, tmp_path)
    async with connect(f"ws://{address}/ws/s?connection_id=5", compression=None) as connection:
        user = User(connection)
        await user.frames(2)
        process.send_signal(number)
        assert await user.closed() == (1012, "drain")
    async with asyncio.timeout(DEADLINE_S):
        _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    back = read_back(tmp_path / "n1.joins.arrows")
    assert back.complete
    assert back.table["connection_id"].to_pylist() == [5]


def _rows(path: Path) -> int:
    """How many rows can be read by now; none while the file's head is not whole."""
    try:
        return int(read_back(path).table.num_rows)
    except RecordError:
        return 0


async def test_a_killed_process_leaves_its_records_readable(
    store_url: str, tmp_path: Path, store: Store
) -> None:
    process, address = await _start_process(store_url, tmp_path)
    async with connect(f"ws://{address}/ws/s?connection_id=5", compression=None) as connection:
        user = User(connection)
        await user.frames(2)
        await store.publish(chunk(1))
        await user.frames(1)
        await eventually(lambda: _rows(tmp_path / "n1.joins.arrows"))
        os.kill(process.pid, signal.SIGKILL)
        await process.communicate()
    back = read_back(tmp_path / "n1.joins.arrows")
    assert not back.complete
    assert back.table["connection_id"].to_pylist() == [5]
