"""What a node's clients lose, and when they are told, as the store is cut off or falls silent.

python -m benchmarks.store_mishaps [--json]

Four clients an ordering at one node; those over Pub/Sub read a session written by `atomic_lua`,
those over streams one written by `stream_append`, 50 chunks a second each. CLIENT KILL TYPE pubsub
every two seconds for twenty; then, in a run of its own, SIGSTOP for ten seconds. Clients stay
connected, and are told by the node alone; `sequence_gap_fill`'s fetch what they miss.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import connect

from benchmarks.real_parts import HOST, RealNode, RealStore, real_node, real_store
from chunk7.delivery.chunk import Chunk
from chunk7.delivery.gaps import GapTracker
from chunk7.wire.frames import (
    ChunkFrame,
    ErrorFrame,
    FetchFrame,
    HeartbeatFrame,
    HistoryFrame,
    WelcomeFrame,
    decode_server_frame,
    encode,
)
from chunk7.wire.store.store import Store

ORDERINGS = (
    "history_then_subscribe",
    "subscribe_then_history",
    "buffered_merge",
    "positioned_merge",
    "sequence_gap_fill",
    "redis_streams",
)
CLIENTS = 4
"""Of each ordering."""
CHUNK_EVERY_S = 0.02
KILLS, KILL_EVERY_S = 10, 2.0
SILENT_S = 10.0
AROUND_S = 2.0
"""Of writing, before and after."""
SETTLE_S = 3.0
"""For what is on its way, and for the heartbeats that tell of a missing tail."""

Strike = Callable[[Store, RealStore, list[float]], Awaitable[None]]
"""Does the harm; adds to the list the instant of each, of time.monotonic()."""


@dataclass
class Listener:
    """A client, and what came of it."""

    ordering: str
    seqs: set[int] = field(default_factory=set)
    told_s: list[float] = field(default_factory=list)
    """When it was told `store_lost`; `back_s`: `gap_possible`."""
    back_s: list[float] = field(default_factory=list)

    async def listen(self, node: RealNode, joined: asyncio.Event) -> None:
        """Until cancelled."""
        session = _session(self.ordering)
        url = f"ws://{HOST}:{node.port}/ws/{session}?ordering={self.ordering}"
        tracker = GapTracker()
        async with connect(url, compression=None) as connection:
            async for message in connection:
                frame = decode_server_frame(message)
                if isinstance(frame, WelcomeFrame):
                    joined.set()
                self._take(frame, tracker)
                if self.ordering == "sequence_gap_fill" and (hole := tracker.wanted()):
                    await connection.send(encode(FetchFrame(*hole)), text=True)

    def _take(self, frame: object, tracker: GapTracker) -> None:
        if isinstance(frame, ChunkFrame | HistoryFrame):
            for chunk in frame.messages if isinstance(frame, HistoryFrame) else (frame,):
                tracker.receive(chunk.seq)
                self.seqs.add(chunk.seq)
        elif isinstance(frame, HeartbeatFrame | WelcomeFrame):
            tracker.learn_epoch(frame.epoch)
            tracker.learn_head(frame.head_seq or 0)
        elif isinstance(frame, ErrorFrame):
            told = self.told_s if frame.code == "store_lost" else self.back_s
            told.append(time.monotonic())


@dataclass(frozen=True, slots=True)
class Mishap:
    """What came of one kind: `due` chunks to all clients of an ordering, `lost` by ordering.

    `told_ms`: the longest from a strike to a client's `store_lost`, None: not all were told.
    `back_s`: the longest from there to `gap_possible`, from when on chunks come again.
    """

    strikes: int
    due: int
    lost: dict[str, int]
    told_ms: float | None
    back_s: float | None


def measure(strike: Strike) -> Mishap:
    """One run with this kind of harm."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with real_store(folder) as store, real_node(store.url, folder) as node:
            return asyncio.run(_measure(store, node, strike))


async def kill_subscriptions(writer: Store, _store: RealStore, struck_s: list[float]) -> None:
    """CLIENT KILL TYPE pubsub, again and again."""
    for _ in range(KILLS):
        await asyncio.sleep(KILL_EVERY_S)
        struck_s.append(time.monotonic())
        await writer.link.send("CLIENT", "KILL", "TYPE", "pubsub")


async def fall_silent(_writer: Store, store: RealStore, struck_s: list[float]) -> None:
    """SIGSTOP for SILENT_S."""
    struck_s.append(time.monotonic())
    store.process.suspend()
    await asyncio.sleep(SILENT_S)
    store.process.resume()


async def _measure(store: RealStore, node: RealNode, strike: Strike) -> Mishap:
    writer, controls = await Store.open(store.url, "writer"), await Store.open(store.url, "test")
    listeners = [Listener(ordering) for ordering in ORDERINGS for _ in range(CLIENTS)]
    joined = [asyncio.Event() for _ in listeners]
    struck_s: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        reading = [
            tasks.create_task(listener.listen(node, event))
            for listener, event in zip(listeners, joined, strict=True)
        ]
        await asyncio.gather(*(event.wait() for event in joined))
        stop = asyncio.Event()
        writing = tasks.create_task(_write(writer, stop))
        await asyncio.sleep(AROUND_S)
        await strike(controls, store, struck_s)
        await asyncio.sleep(AROUND_S)
        stop.set()
        written = await writing
        await asyncio.sleep(SETTLE_S)
        for task in reading:
            task.cancel()
    await writer.close()
    await controls.close()
    lost = dict.fromkeys(ORDERINGS, 0)
    for listener in listeners:
        lost[listener.ordering] += len(set(range(1, written + 1)) - listener.seqs)
    told_s = _longest([(struck_s, listener.told_s) for listener in listeners])
    back_s = _longest([(listener.told_s, listener.back_s) for listener in listeners])
    told_ms = None if told_s is None else told_s * 1_000
    return Mishap(len(struck_s), written * CLIENTS, lost, told_ms, back_s)


async def _write(writer: Store, stop: asyncio.Event) -> int:
    """Chunks in both sessions, evenly while the store answers; how many in each."""
    seq = 0
    while not stop.is_set():
        seq += 1
        for ordering in ("buffered_merge", "redis_streams"):
            chunk = Chunk(_session(ordering), "m", seq - 1, f"text {seq}")
            if ordering == "redis_streams":
                await writer.append(chunk.numbered(seq))
            else:
                await writer.number_save_and_publish(chunk)
        await asyncio.sleep(CHUNK_EVERY_S)
    return seq


def _session(ordering: str) -> str:
    return "streams" if ordering == "redis_streams" else "pubsub"


def _longest(pairs: list[tuple[list[float], list[float]]]) -> float | None:
    """From each instant to the one that answers it; None when one has none."""
    if any(len(first) != len(second) for first, second in pairs):
        return None
    return max(b - a for first, second in pairs for a, b in zip(first, second, strict=True))


KINDS: dict[str, Strike] = {
    "CLIENT KILL TYPE pubsub": kill_subscriptions,
    f"SIGSTOP for {SILENT_S:g} s": fall_silent,
}


def main() -> int:
    """Measure both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    done = {kind: measure(strike) for kind, strike in KINDS.items()}
    if given.json:
        print(json.dumps({kind: dataclasses.asdict(mishap) for kind, mishap in done.items()}))
        return 0
    print(f"| mishap | told, ms | back, s | {' | '.join(ORDERINGS)} |")
    print(f"|---|---|---|{'---|' * len(ORDERINGS)}")
    for kind, mishap in done.items():
        lost = " | ".join(f"{count} of {mishap.due:,}" for count in mishap.lost.values())
        print(f"| {mishap.strikes} x {kind} | {mishap.told_ms} | {mishap.back_s} | {lost} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
