"""Half an hour of two nodes under joins, leaves and small mishaps: `make soak`, `SOAK_S=` for less.

python -m benchmarks.soak [--seconds 1800] [--seed N] [--json]

Answers of 200 chunks follow each other in eight sessions. Four users read each of them whole, over
several connections: each stays a while, leaves in order or vanishes, and goes on at the other node
after the last chunk that it has. Every 15 s the store's connections meet with a mishap, in turn:
subscriptions cut, a node's commands cut, the store silent for a second. What must hold: every user
has every chunk, and memory, descriptors and tasks of the nodes and the store are flat.
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from benchmarks.real_parts import HOST, RealNode, RealStore, real_node, real_store
from chunk7.delivery.chunk import Chunk, history_key, seq_key, stream_key
from chunk7.delivery.errors import StoreError
from chunk7.delivery.gaps import GapTracker
from chunk7.wire.frames import (
    ChunkFrame,
    FetchFrame,
    HeartbeatFrame,
    HistoryFrame,
    WelcomeFrame,
    decode_server_frame,
    encode,
)
from chunk7.wire.store.store import Store

SESSIONS, USERS_A_SESSION = 8, 4
ORDERINGS = ("sequence_gap_fill", "redis_streams")
"""Those that lose nothing also when the store's connections break; by session, in turn."""
CHUNKS, CHUNK_EVERY_S = 200, 0.1
MEAN_STAY_S = 4.0
VANISHES = 0.3
"""Share of the leaves that are without a word."""
RETRY_S = (0.1, 1.0)
WHOLE_WITHIN_S = 30.0
"""After the last chunk: a store that is away, and heartbeats that tell of the tail."""
MISHAP_EVERY_S = 15.0
SILENT_S = 1.0
SAMPLE_EVERY_S = 1.0
WARM_UP = 0.2
"""Share of the time in which imports, first joins and buffers settle."""
MOST_GROWTH, MORE_FILES, MORE_TASKS = 1.10, 10.0, 10.0
"""Of the line fitted through each process's samples, from its beginning to its end."""


class Line(NamedTuple):
    """A fitted line's ends."""

    first: float
    last: float


@dataclass
class Soaked:
    """What came of it."""

    seed: int
    seconds: float = 0.0
    answers: int = 0
    due: int = 0
    """Chunks that users should have got: all of each answer that they read."""
    lost: int = 0
    connections: int = 0
    mishaps: Counter[str] = field(default_factory=Counter)
    tells: Counter[str] = field(default_factory=Counter)
    """Error frames that users were sent, by code."""
    lines: dict[str, Line] = field(default_factory=dict)
    """By `PROCESS memory_mb`, `PROCESS files` and `NODE tasks`."""

    def faults(self) -> list[str]:
        """What must not be, one line each."""
        wrong = [f"{self.lost} of {self.due} chunks never came"] if self.lost else []
        for name, (first, last) in self.lines.items():
            more = {"files": MORE_FILES, "tasks": MORE_TASKS}.get(name.split()[1])
            limit = first * MOST_GROWTH if more is None else first + more
            if last > limit:
                wrong.append(f"{name}: from {first:.1f} to {last:.1f}, more than {limit:.1f}")
        return [f"{line} (seed {self.seed})" for line in wrong]

    def document(self) -> dict[str, object]:
        """As JSON. `dataclasses.asdict` would count the items of a Counter, as tuples."""
        values: dict[str, object] = msgspec.to_builtins(self)
        return values | {"faults": self.faults()}


def soak(seconds: float, seed: int, mishap_every_s: float = MISHAP_EVERY_S) -> Soaked:
    """Run for so long, and up to WHOLE_WITHIN_S more until the last answers are read."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with (
            real_store(folder) as store,
            real_node(store.url, folder, name="n1") as one,
            real_node(store.url, folder, name="n2") as two,
        ):
            return asyncio.run(_Soak(store, (one, two), seconds, seed).run(mishap_every_s))


class _Soak:
    """The users, the writer and the mishaps of one soak, in one event loop."""

    def __init__(
        self, store: RealStore, nodes: tuple[RealNode, ...], seconds: float, seed: int
    ) -> None:
        self._store, self._nodes = store, nodes
        self._seconds = seconds
        self._end_s = time.monotonic() + seconds
        self._rng = random.Random(seed)
        self._samples: list[dict[str, float]] = []
        self._done = Soaked(seed)
        self._writer: Store

    async def run(self, mishap_every_s: float) -> Soaked:
        """The whole soak."""
        began_s = time.monotonic()
        self._writer = await Store.open(self._store.url, "soak-writer")
        beside = [
            asyncio.create_task(self._mishaps(mishap_every_s)),
            asyncio.create_task(self._sample()),
        ]
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(SESSIONS):
                    tasks.create_task(self._session(number))
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self._store.process.resume()
        await self._writer.close()
        self._done.seconds = time.monotonic() - began_s
        self._done.lines = fitted(self._samples[int(WARM_UP * len(self._samples)) :])
        return self._done

    # --- answers and their readers ---

    async def _session(self, number: int) -> None:
        ordering = ORDERINGS[number % len(ORDERINGS)]
        answer = 0
        while time.monotonic() < self._end_s:
            answer += 1
            session = f"soak-{number}-{answer}"
            readers = [self._read(session, ordering) for _ in range(USERS_A_SESSION)]
            lost = await asyncio.gather(*readers, self._write(session, ordering))
            self._done.answers += 1
            self._done.due += CHUNKS * USERS_A_SESSION
            self._done.lost += sum(lost)
            keys = (history_key(session), stream_key(session), seq_key(session))
            await self._writer.link.send("DEL", *keys)  # the store is to be flat, too

    async def _write(self, session: str, ordering: str) -> int:
        for seq in range(1, CHUNKS + 1):
            chunk = Chunk(session, "m", seq - 1, f"text {seq}", seq == CHUNKS)
            if ordering == "redis_streams":
                await self._writer.append(chunk.numbered(seq))
            else:
                await self._writer.number_save_and_publish(chunk)
            await asyncio.sleep(CHUNK_EVERY_S)
        return 0

    async def _read(self, session: str, ordering: str) -> int:
        """A user who comes back until it has the whole answer: how many chunks it never got."""
        tracker = GapTracker()
        deadline_s = time.monotonic() + CHUNKS * CHUNK_EVERY_S + WHOLE_WITHIN_S
        while tracker.resume_after < CHUNKS and time.monotonic() < deadline_s:
            node = self._rng.choice(self._nodes)
            query = f"ordering={ordering}&after_seq={tracker.resume_after}"
            url = f"ws://{HOST}:{node.port}/ws/{session}?{query}"
            try:
                async with connect(url, compression=None, open_timeout=5) as connection:
                    self._done.connections += 1
                    await self._stay(connection, tracker)
            except (OSError, WebSocketException):  # refused or cut: the store is away
                await asyncio.sleep(self._rng.uniform(*RETRY_S))
        return CHUNKS - tracker.resume_after

    async def _stay(self, connection: ClientConnection, tracker: GapTracker) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rng.expovariate(1 / MEAN_STAY_S)):
                while tracker.resume_after < CHUNKS:
                    self._take(decode_server_frame(await connection.recv(decode=False)), tracker)
                    if (hole := tracker.wanted()) is not None:
                        await connection.send(encode(FetchFrame(*hole)), text=True)
        if self._rng.random() < VANISHES:
            connection.transport.abort()

    def _take(self, frame: object, tracker: GapTracker) -> None:
        if isinstance(frame, ChunkFrame):
            tracker.receive(frame.seq)
        elif isinstance(frame, HistoryFrame):
            for chunk in frame.messages:
                tracker.receive(chunk.seq)
        elif isinstance(frame, HeartbeatFrame | WelcomeFrame):
            tracker.learn_epoch(frame.epoch)
            tracker.learn_head(frame.head_seq or 0)
        else:
            self._done.tells[getattr(frame, "code", "?")] += 1

    # --- mishaps ---

    async def _mishaps(self, every_s: float) -> None:
        mishaps: tuple[Callable[[], object], ...] = (
            self._cut_subscriptions,
            self._cut_commands,
            self._silence,
        )
        number = 0
        while True:
            await asyncio.sleep(every_s)
            mishap = mishaps[number % len(mishaps)]
            number += 1
            with contextlib.suppress(StoreError):
                await mishap()  # type: ignore[misc]
            self._done.mishaps[mishap.__name__.strip("_")] += 1

    async def _cut_subscriptions(self) -> None:
        await self._writer.link.send("CLIENT", "KILL", "TYPE", "pubsub")

    async def _cut_commands(self) -> None:
        """Of the first node: its connections bear its name."""
        listed = (await self._writer.link.send("CLIENT", "LIST")).decode()
        for line in listed.splitlines():
            fields = dict(word.partition("=")[::2] for word in line.split())
            if fields["name"] == "n1":
                await self._writer.link.send("CLIENT", "KILL", "ID", fields["id"])

    async def _silence(self) -> None:
        self._store.process.suspend()
        await asyncio.sleep(SILENT_S)
        self._store.process.resume()

    # --- what the processes hold ---

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_EVERY_S)
            with contextlib.suppress(OSError):
                self._samples.append(await asyncio.to_thread(self._held))

    def _held(self) -> dict[str, float]:
        held: dict[str, float] = {"at_s": time.monotonic()}
        processes = {"store": self._store.process}
        for number, node in enumerate(self._nodes, 1):
            processes[f"n{number}"] = node.process
            held[f"n{number} tasks"] = node.metric("chunk7_node_tasks")
        for name, process in processes.items():
            held[f"{name} memory_mb"] = process.memory_info().rss / 1e6
            held[f"{name} files"] = process.num_fds()
        return held


def fitted(samples: list[dict[str, float]]) -> dict[str, Line]:
    """By name of what was sampled: the line of least squares over `at_s`, at its two ends."""
    at_s = [sample["at_s"] for sample in samples]
    lines = {}
    for name in samples[0].keys() - {"at_s"}:
        fit = statistics.linear_regression(at_s, [sample[name] for sample in samples])
        lines[name] = Line(*(fit.intercept + fit.slope * end for end in (at_s[0], at_s[-1])))
    return dict(sorted(lines.items()))


def table(done: Soaked) -> str:
    """What was held, as Markdown."""
    rows = [
        f"| {name.replace('_mb', ', MB')} | {first:.1f} | {last:.1f} | "
        f"{(last - first) * 3600 / ((1 - WARM_UP) * done.seconds):+.1f} |"
        for name, (first, last) in done.lines.items()
    ]
    return "\n".join(["| held | at first | at last | an hour |", "|---|---|---|---|", *rows])


def main() -> int:
    """Soak, say what came of it; exit code 1 when something must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1_800.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    done = soak(given.seconds, given.seed)
    if given.json:
        print(json.dumps(done.document()))
    else:
        print(
            f"{done.seconds:.0f} s, {done.answers} answers, {done.due:,} chunks due, {done.lost} "
            f"lost, {done.connections:,} connections, {done.mishaps.total()} mishaps; "
            f"users were told: {dict(done.tells)}\n\n{table(done)}\n"
        )
        print(*done.faults() or ["nothing wrong"], sep="\n")
    return 1 if done.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
