"""Parts that the producer's tests share: a story to stream, a listener, a store to kill."""

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chunk7.cluster.deployments.binaries import valkey_server
from chunk7.cluster.deployments.probes import free_ports
from chunk7.delivery.chunk import Chunk, stream_key
from chunk7.delivery.ordering import WriteOrdering
from chunk7.producer.answers import Answer
from chunk7.producer.journal import Journal
from chunk7.producer.metrics import ProducerMetrics
from chunk7.producer.service import Producer
from chunk7.producer.store_connection import StoreConnection
from chunk7.producer.timetable import scripts
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.frames import decode_chunk
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.recorder import Recorder
from chunk7.wire.records import read_back
from chunk7.wire.store.link import Link

DEADLINE_S = 20.0
AS_JSON = {"Content-Type": "application/json"}
ANSWERS = (
    Answer("even", tuple("abcdefgh"), np.arange(1.0, 9.0) * 100),
    Answer("burst", ("é", " —", "!"), np.array([300.0, 300.0, 350.0])),
)


def a_plan(**changed: Any) -> Plan:
    """A small plan: one cell, two sessions, 100 chunks/s for 0.3 s."""
    fields: dict[str, Any] = {
        "run": "r",
        "cells": [Cell("c", "save_then_publish")],
        "seed": 1,
        "sessions": 2,
        "duration_ms": 300,
        "settle_ms": 500,
        "lead_ms": 0,
        "chunk_rate": 100.0,
        "save_lag_ms": 0.0,
    }
    return Plan(**{**fields, **changed})


def planned(plan: Plan, cell: int = 0, session: int = 0) -> list[Chunk]:
    """What a session is to stream, numbered as if nothing went wrong."""
    script = scripts(plan, ANSWERS)[session]
    chunks = script.chunks(plan.session_id(cell, session))
    return [chunk.numbered(seq) for seq, (_, chunk) in enumerate(chunks, 1)]


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition, bounded."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come"
        await asyncio.sleep(0.005)


@dataclass
class Bench:
    """A producer in this process, and what it has recorded."""

    producer: Producer
    journal: Journal
    connection: StoreConnection
    folder: Path

    async def stream(self, plan: Plan) -> list[dict[str, Any]]:
        """Carry out a plan; the rows of the chunks, in the order they ended."""
        await self.producer.take(plan)
        async with asyncio.timeout(DEADLINE_S):
            await self.producer.finished()
        return self.rows("published")

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What was recorded so far."""
        self.journal.flush()
        path = self.folder / f"producer.{table}.arrows"
        return list(read_back(path).table.to_pylist()) if path.exists() else []

    def kinds(self) -> list[str]:
        """The kinds of the events so far."""
        return [event["kind"] for event in self.rows("events")]


@asynccontextmanager
async def bench(
    url: str,
    folder: Path,
    orderings: dict[str, WriteOrdering] | None = None,
    max_entries: int | None = None,
) -> AsyncIterator[Bench]:
    """A producer without its process: everything but the command line and HTTP."""
    journal = Journal(Recorder(folder, "producer"), ProducerMetrics())
    connection = await StoreConnection.open(url, "producer", 60_000, max_entries)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(journal.keep()), group.create_task(connection.watch(journal))]
        producer = Producer(connection, journal, ANSWERS, orderings or WRITE_ORDERINGS, group)
        yield Bench(producer, journal, connection, folder)
        await producer.close()
        for task in tasks:
            task.cancel()
    journal.close()
    await connection.close()


@asynccontextmanager
async def listening(url: str, *sessions: str) -> AsyncIterator[list[Chunk]]:
    """Every chunk published to the sessions, as it comes."""
    received: list[Chunk] = []
    confirmed: list[Any] = []

    def on_push(push: Any) -> None:
        (
            received.append(decode_chunk(push[2]))
            if push[0] == b"message"
            else confirmed.append(push)
        )

    link = await Link.open(url, on_push=on_push)
    link.push("SUBSCRIBE", *map(stream_key, sessions))
    await until(lambda: len(confirmed) == len(sessions))
    yield received
    await link.close()


class OwnStore:
    """A store that a test may kill and start again at the same address, with nothing in it."""

    def __init__(self, folder: Path) -> None:
        [self.port] = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self._process is None
        self._process = self._started()
        await until(self._answers)

    def kill(self) -> None:
        """kill -9; nothing happens when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [valkey_server(), "--port", str(self.port), "--save", "", "--dir", self._folder]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        except OSError:
            return False
        return True
