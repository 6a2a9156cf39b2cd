"""The process: what it refuses, how it ends, and that its records survive both ends."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from producer_kit import AS_JSON, a_plan, until

from chunk7.delivery.errors import RecordError, UsageError
from chunk7.producer.options import parse_options
from chunk7.wire.plan import Cell
from chunk7.wire.records import read_back

pytestmark = pytest.mark.clocked

REDIS = ("--redis", "redis://127.0.0.1:1")
SERVED = (*REDIS, "--listen", "127.0.0.1:0", "--records", "r")
ALONE = (*REDIS, "--duration", "1")
OWN = """
from chunk7.delivery.effects import NextSeq, Publish
from chunk7.delivery.ordering import write_ordering

@write_ordering()
def forgets(chunk):
    yield Publish(chunk.numbered((yield NextSeq())))
"""


WITHIN_S = 60.0
"""A process imports first, which may take long beside other tests."""


async def start(*arguments: object) -> asyncio.subprocess.Process:
    """`python -m chunk7.producer`."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chunk7.producer",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a process that ends by itself."""
    async with asyncio.timeout(WITHIN_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def address_of(process: asyncio.subprocess.Process) -> str:
    """Where a served producer listens, as it says itself."""
    assert process.stderr is not None
    async with asyncio.timeout(WITHIN_S):
        while line := (await process.stderr.readline()).decode():
            if "listening on" in line:
                return f"http://{line.split()[-1]}"
    raise AssertionError("it did not start")


def flushed(path: Path) -> bool:
    """Whether a whole batch is there: a file is opened a moment before its first one."""
    try:
        return read_back(path).table.num_rows > 0
    except RecordError:
        return False


@pytest.fixture
async def streaming(
    store_url: str, tmp_path: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
    """A served process in the middle of an order, whose records have been flushed once."""
    records = tmp_path / "raw"
    process = await start("--redis", store_url, "--listen", "127.0.0.1:0", "--records", records)
    try:
        url = await address_of(process)
        plan = a_plan(duration_ms=60_000, ttft_ms=0.0, chunk_rate=200.0, sessions=20)
        async with (
            aiohttp.ClientSession(url) as http,
            http.post("/timetable", data=msgspec.json.encode(plan), headers=AS_JSON) as answer,
        ):
            assert answer.status == 200
        await until(lambda: flushed(records / "producer.published.arrows"))
        yield process, records
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_complete_records(
    streaming: tuple[asyncio.subprocess.Process, Path], number: signal.Signals
) -> None:
    process, records = streaming
    process.send_signal(number)
    code, out, err = await ended(process)
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    for table in ("published", "events", "health", "clocks"):
        assert read_back(records / f"producer.{table}.arrows").complete
    rows = read_back(records / "producer.published.arrows").table.to_pylist()
    assert rows
    assert all(row["error"] is None or row["error"].startswith("abandoned") for row in rows)
    assert len(read_back(records / "producer.clocks.arrows").table) == 2


async def test_a_killed_producer_leaves_readable_records(
    streaming: tuple[asyncio.subprocess.Process, Path],
) -> None:
    process, records = streaming
    process.kill()
    await process.wait()
    published = read_back(records / "producer.published.arrows")
    assert not published.complete
    assert published.table.num_rows > 0


async def test_alone_it_streams_one_order_and_says_what_it_did(store_url: str) -> None:
    arguments = ("--duration", 0.3, "--chunk-rate", 100, "--sessions", 2, "--run", "demo")
    code, out, _ = await ended(await start("--redis", store_url, *arguments, "--json"))
    totals = json.loads(out)
    chunks = totals["chunks"]
    assert code == 0
    assert 50 <= chunks <= 60
    assert totals == {
        "schema": 1,
        "run": "demo",
        "write": "save_then_publish",
        "sessions": 2,
        "chunks": chunks,
        "published": chunks,
        "saved": chunks,
        "without_receivers": chunks,
        "errors": 0,
    }


async def test_alone_it_takes_an_ordering_of_the_users_own(store_url: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    own = f"{tmp_path / 'own.py'}:forgets"
    arguments = ("--duration", 0.3, "--chunk-rate", 100, "--sessions", 2, "--write", own)
    code, out, _ = await ended(await start("--redis", store_url, *arguments))
    assert code == 0
    assert f"{own}, 2 sessions: " in out
    assert " 0 saved, 0 errors\n" in out


async def test_served_it_takes_an_ordering_of_the_users_own_by_either_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    own = f"{tmp_path / 'own.py'}:forgets"
    orderings = parse_options([*SERVED, "--ordering", own]).orderings
    assert orderings[own] is orderings["forgets"]


async def test_nobody_at_the_store_is_one_line_and_exit_1() -> None:
    code, out, err = await ended(await start(*ALONE))
    assert (code, out) == (1, "")
    assert err.startswith("producer: error: no store at 127.0.0.1:1: ")
    assert err.count("\n") == 1


async def test_records_of_another_run_are_not_touched(store_url: str, tmp_path: Path) -> None:
    (tmp_path / "producer.events.arrows").write_bytes(b"precious")
    code, _, err = await ended(
        await start("--redis", store_url, "--duration", 1, "--records", tmp_path)
    )
    assert code == 2
    assert err == (
        f"producer: error: --records {tmp_path}: already has producer.events.arrows; "
        "give another folder\n"
    )
    assert os.listdir(tmp_path) == ["producer.events.arrows"]


async def test_what_answers_cannot_give_is_one_line_and_exit_2(
    store_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "t", "at_ms": 0}\n{"text": \n')
    for more, start_of_line in (
        (("--answers", tmp_path), f"{tmp_path / 'a.jsonl'}:2: "),
        (("--chunk-rate", 10, "--ttft-ms", 900), "--ttft-ms: 900 before each of "),
    ):
        code, _, err = await ended(await start("--redis", store_url, "--duration", 1, *more))
        assert code == 2
        assert err.startswith(f"producer: error: {start_of_line}")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--duration", "1"), "required: --redis"),
        (REDIS, "want --listen and --records, or --duration"),
        ((*REDIS, "--listen", "127.0.0.1:1"), "want --listen and --records"),
        ((*SERVED, "--listen", "nowhere"), "--listen: 'nowhere' is not HOST:PORT"),
        ((*SERVED, "--listen", "h:70000"), "port of 0 to 65535"),
        ((*SERVED, "--name", "a b"), "--name: 'a b' is not 1 to 64"),
        ((*SERVED, "--history-ttl-s", "0"), "--history-ttl-s: 0 is not 1 to"),
        ((*SERVED, "--stream-max-entries", "0"), "--stream-max-entries: 0 is not 1 to"),
        ((*SERVED, "--ordering", "nope.py:x"), "--ordering: no ordering file nope.py"),
        ((*SERVED, "--ordering", "atomic_lua"), "there already is an ordering named"),
        ((*SERVED, "--nonsense"), "--nonsense"),
        ((*REDIS, "--duration", "0"), "--duration 0: must be between 0.1 and 86400"),
        ((*REDIS, "--duration", "nan"), "--duration nan: must be between 0.1 and 86400"),
        ((*ALONE, "--write", "nope"), "--write: unknown ordering 'nope': one of"),
        ((*ALONE, "--sessions", "0"), "--sessions 0: must be between 1 and 10000"),
        ((*ALONE, "--sessions", "x"), "--sessions x: want a whole number"),
        (
            (*ALONE, "--chunk-rate", "-1"),
            "--chunk-rate -1: must be between 0.1 and 10000, or",
        ),
        ((*ALONE, "--jitter", "-1"), "--jitter -1: must be between 0 and 10"),
        ((*ALONE, "--ttft-ms", "-1"), "--ttft-ms -1: must be between 0 and 600000, or recorded"),
        ((*ALONE, "--message-chunks", "0"), "--message-chunks 0: must be between 1 and"),
        ((*ALONE, "--save-lag-ms", "-1"), "--save-lag-ms -1: must be between 0 and 10000"),
        ((*ALONE, "--seed", "-1"), "--seed -1: must be between 0 and 9007199254740992"),
        ((*ALONE, "--run", "a/b"), "--run: 'a/b' is not 1 to 64"),
    ],
)
def test_a_bad_option_is_named_with_what_it_may_be(arguments: Any, reason: str) -> None:
    with pytest.raises(UsageError) as failure:
        parse_options(list(arguments))
    assert reason in str(failure.value)
    assert "\n" not in str(failure.value)


def test_the_order_of_a_command_line_is_what_it_says() -> None:
    options = "--write atomic_lua --sessions 3 --chunk-rate 9 --jitter 0.5 --ttft-ms 8 --run r"
    more = "--message-chunks 7 --save-lag-ms 6 --seed 5 --duration 2.5"
    plan = parse_options([*REDIS, *options.split(), *more.split()]).plan
    assert plan == a_plan(
        cells=[Cell("", "atomic_lua")],
        sessions=3,
        chunk_rate=9.0,
        jitter=0.5,
        ttft_ms=8.0,
        message_chunks=7,
        save_lag_ms=6.0,
        seed=5,
        duration_ms=2_500,
        settle_ms=1_000,
    )
