"""Bad inputs against a real node, while good clients listen: `make fuzz`.

python -m benchmarks.fuzz_node [--inputs 100000] [--seed N] [--json]

A store and a node of their own; one good client in each of two sessions, which are written all the
while; the bad ones join those and twenty others. What must hold: the node lives and ends in order,
every bad connection is ended, nobody is served a chunk of a session that it did not join, the good
clients get exactly their chunks, the node only reads, and only keys of sessions that were joined;
its memory, descriptors and tasks at the end are those after the first quarter.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from websockets.asyncio.client import connect

from benchmarks.bad_inputs import CLOSE, Attack, End, attacks
from benchmarks.real_parts import HOST, RealNode, real_node, real_store
from chunk7.delivery.chunk import Chunk
from chunk7.instruments.watch.monitor_line import parse_line
from chunk7.wire.frames import ChunkFrame, HistoryFrame, decode_server_frame
from chunk7.wire.store.store import Store

GOOD = {"good-pubsub": "buffered_merge", "good-stream": "redis_streams"}
"""Sessions of the good clients, and how they join."""
BAD_SESSIONS = tuple(f"bad-{number}" for number in range(20))
CHUNK_EVERY_S = 0.05
LEVELS = (0.25, 1.0)
"""Shares of the inputs after which it is looked at what the node holds."""
AT_ONCE = 32
ENDED_WITHIN_S = 30.0
GOOD_WITHIN_S = 20.0
MOST_GROWTH = 1.25
"""Of the node's memory from the first quarter's end to the last's."""
MORE_FILES, MORE_TASKS = 8, 8
"""What may come and go with the node's own connections and duties."""
READS = frozenset(
    [
        "GET",
        "MGET",
        "LRANGE",
        "XRANGE",
        "XREVRANGE",
        "XREAD",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "PING",
        "TIME",
        "CLIENT",
        "HELLO",
        "INFO",
        "SELECT",
        "COMMAND",
        "AUTH",
    ]
)
_SESSION = re.compile(rb'"session_id":"([^"]*)"')
_KEY = re.compile(rb"chat:(?:history|stream|seq):(.*)", re.S)
_STATUS = re.compile(rb"HTTP/1.1 (\d{3}) ")
JOINED, REFUSED = "101", "refused"
PIECE_EVERY_S = 0.002
PATIENCE_S = 0.2
_BLOCK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Level:
    """What the node holds between two rounds, with nobody but the good clients there."""

    memory_bytes: int
    files: int
    tasks: int


@dataclass
class Fuzzed:
    """What came of it. `inputs` are the bad ones sent, by kind of attack."""

    seed: int
    inputs: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    """Of the answers: HTTP statuses and close codes."""
    leaks: list[str] = field(default_factory=list)
    unended: list[str] = field(default_factory=list)
    strange_commands: set[str] = field(default_factory=set)
    commands: int = 0
    written: int = 0
    """Chunks in the good clients' sessions."""
    wrong: list[str] = field(default_factory=list)
    """Good clients that did not get just their chunks."""
    levels: list[Level] = field(default_factory=list)
    tracebacks: int = 0
    exit_code: int | None = None
    seconds: float = 0.0

    @property
    def growth(self) -> float:
        """The node's memory at the end, as a share of that after the first quarter."""
        return self.levels[-1].memory_bytes / self.levels[0].memory_bytes

    def faults(self) -> list[str]:
        """What must not be, one line each."""
        first, last = self.levels[0], self.levels[-1]
        checks = {
            f"served somebody else's chunk: {self.leaks[:3]}": self.leaks,
            f"did not end a bad connection: {self.unended[:3]}": self.unended,
            f"strange commands: {sorted(self.strange_commands)[:3]}": self.strange_commands,
            f"good clients: {self.wrong}": self.wrong,
            f"memory grew to {self.growth:.2f} times": self.growth > MOST_GROWTH,
            f"descriptors: {first.files}, then {last.files}": last.files > first.files + MORE_FILES,
            f"tasks: {first.tasks}, then {last.tasks}": last.tasks > first.tasks + MORE_TASKS,
            f"{self.tracebacks} tracebacks in its log": self.tracebacks,
            f"the node ended with {self.exit_code}": self.exit_code != 0,
        }
        return [f"{line} (seed {self.seed})" for line, is_so in checks.items() if is_so]

    def document(self) -> dict[str, object]:
        """As JSON. `dataclasses.asdict` would count the items of a Counter, as tuples."""
        values: dict[str, object] = msgspec.to_builtins(self, order="sorted")
        return values | {"growth": self.growth, "faults": self.faults()}


def fuzz(inputs: int, seed: int) -> Fuzzed:
    """Send at least so many bad inputs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with real_store(folder) as store:
            with real_node(store.url, folder) as node:
                done = asyncio.run(_fuzz(node, store.url, inputs, seed))
            done.exit_code = node.process.returncode
            done.tracebacks = node.log.read_text().count("Traceback")
    return done


async def _fuzz(node: RealNode, store_url: str, inputs: int, seed: int) -> Fuzzed:
    done, began_s = Fuzzed(seed), time.monotonic()
    async with _watched(store_url, done), _good(node, store_url, done):
        drawn = attacks(seed, (*BAD_SESSIONS, *GOOD, *BAD_SESSIONS))
        for share in LEVELS:
            await _round(node, done, _until(drawn, done, int(inputs * share)))
            done.levels.append(await _level(node))
    done.seconds = time.monotonic() - began_s
    return done


def _until(drawn: Iterator[Attack], done: Fuzzed, inputs: int) -> Iterator[Attack]:
    """Attacks until so many inputs were sent in all."""
    while done.inputs.total() < inputs:
        attack = next(drawn)
        done.inputs[attack.kind] += attack.inputs
        yield attack


# --- the bad ones ---


async def _round(node: RealNode, done: Fuzzed, drawn: Iterator[Attack]) -> None:
    """AT_ONCE at a time take one attack after the other; at the end who lingers is let go."""
    lingering: list[asyncio.StreamWriter] = []

    async def attack_on() -> None:
        for attack in drawn:
            done.connections += 1
            await _strike(node.port, attack, done, lingering)

    await asyncio.gather(*(attack_on() for _ in range(AT_ONCE)))
    for writer in lingering:
        writer.close()


async def _strike(
    port: int, attack: Attack, done: Fuzzed, lingering: list[asyncio.StreamWriter]
) -> None:
    """One attack, and what its answer tells."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError as error:
        done.statuses[type(error).__name__] += 1
        return
    answer = Answer()
    try:
        async with asyncio.timeout(ENDED_WITHIN_S):
            await _converse(reader, writer, attack, answer)
    except TimeoutError:
        done.unended.append(f"{attack.kind}: {(attack.pieces or attack.opening)[-1][-60:]!r}")
    except (OSError, asyncio.IncompleteReadError):
        answer.words.append("cut")  # by the node, which is an end as well
    done.statuses.update(answer.words)
    if strangers := answer.sessions - {attack.session}:
        done.leaks.append(f"{attack.session} was served {sorted(strangers)}")
    if attack.end is End.LINGER:
        lingering.append(writer)
    else:
        writer.close()


@dataclass
class Answer:
    """What a node answered: the status and the close code, and whose chunks it sent."""

    words: list[str] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, attack: Attack, answer: Answer
) -> None:
    """Send it, read until a close frame or the end. Raises OSError, IncompleteReadError."""
    await _send(writer, attack.opening)
    head = await _head(reader, answer) if attack.session and attack.waits else None
    await _send(writer, attack.pieces)
    if attack.end is End.LINGER:
        return
    if attack.end is End.RESET:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return
    if attack.session is None or head == REFUSED or not attack.waits:
        # What comes before the handshake's answer may be answered before it: no frames to be told.
        whole = await _all(reader, writer)
        answer.words.append(_status(whole))
        answer.sessions.update(found.decode() for found in _SESSION.findall(whole))
        return
    while await _frame(reader, answer) != CLOSE:
        pass


async def _all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """All that is answered; a node that waits for the rest of a request is told: no more comes."""
    whole = bytearray()

    async def read_on() -> None:
        while block := await reader.read(_BLOCK_BYTES):
            whole.extend(block)

    try:
        await asyncio.wait_for(read_on(), PATIENCE_S)
    except TimeoutError:
        writer.write_eof()
        await read_on()
    return bytes(whole)


async def _send(writer: asyncio.StreamWriter, pieces: tuple[bytes, ...]) -> None:
    for number, piece in enumerate(pieces):
        if number:
            await asyncio.sleep(PIECE_EVERY_S)
        writer.write(piece)
        await writer.drain()


async def _head(reader: asyncio.StreamReader, answer: Answer) -> str:
    """The handshake's answer; its first line is noted."""
    status = _status(await reader.readuntil(b"\r\n\r\n"))
    answer.words.append(status)
    return JOINED if status == JOINED else REFUSED


async def _frame(reader: asyncio.StreamReader, answer: Answer) -> int:
    """The opcode of the next frame; a close's code, and whose chunks are in it, are noted."""
    first, length = await reader.readexactly(2)
    if length >= 126:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8))
    payload = await reader.readexactly(length)
    opcode = first & 0x0F
    if opcode == CLOSE:
        answer.words.append(f"closed {int.from_bytes(payload[:2])}")
    answer.sessions.update(found.decode() for found in _SESSION.findall(payload))
    return opcode


def _status(whole: bytes) -> str:
    found = _STATUS.search(whole)
    return found[1].decode() if found else "no answer"


# --- the good ones ---


@contextlib.asynccontextmanager
async def _good(node: RealNode, store_url: str, done: Fuzzed) -> AsyncIterator[None]:
    """Good clients that listen, while their sessions are written; judged at the end."""
    store = await Store.open(store_url, "fuzz-writer")
    got: dict[str, list[int]] = {session: [] for session in GOOD}
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        joined = [asyncio.Event() for _ in GOOD]
        listeners = [
            tasks.create_task(_listen(node, session, got[session], event))
            for session, event in zip(GOOD, joined, strict=True)
        ]
        await asyncio.gather(*(event.wait() for event in joined))
        writing = tasks.create_task(_write(store, done, stop))
        try:
            yield
        finally:
            stop.set()
            await writing
            wanted = list(range(1, done.written + 1))
            deadline_s = time.monotonic() + GOOD_WITHIN_S
            while any(seqs != wanted for seqs in got.values()) and time.monotonic() < deadline_s:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # poll, bounded by the deadline
            done.wrong += [
                f"{session}: {len(seqs)} of {done.written}"
                for session, seqs in got.items()
                if seqs != wanted
            ]
            for listener in listeners:
                listener.cancel()
    await store.close()


async def _listen(node: RealNode, session: str, got: list[int], joined: asyncio.Event) -> None:
    """The numbers of all chunks that come, until cancelled; 0 is one that is not this session's."""
    url = f"ws://{HOST}:{node.port}/ws/{session}?ordering={GOOD[session]}"
    async with connect(url, compression=None) as connection:
        async for message in connection:
            received = decode_server_frame(message)
            if isinstance(received, HistoryFrame):
                joined.set()
                got += [chunk.seq for chunk in received.messages]
            elif isinstance(received, ChunkFrame):
                got.append(received.seq if received.session_id == session else 0)


async def _write(store: Store, done: Fuzzed, stop: asyncio.Event) -> None:
    """A chunk in each good session now and then, and at the beginning some in the others."""
    for session in BAD_SESSIONS:
        for seq in range(1, 4):
            chunk = Chunk(session, "m", seq - 1, "not for you")
            await store.number_save_and_publish(chunk)
            await store.append(chunk.numbered(seq))
    while not stop.is_set():
        done.written += 1
        for session, ordering in GOOD.items():
            chunk = Chunk(session, "m", done.written - 1, f"text {done.written}")
            if ordering == "redis_streams":
                await store.append(chunk.numbered(done.written))
            else:
                await store.number_save_and_publish(chunk)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), CHUNK_EVERY_S)


# --- what the node and the store say ---


async def _level(node: RealNode) -> Level:
    """Once all bad clients are gone. Raises TimeoutError when they stay."""
    async with asyncio.timeout(ENDED_WITHIN_S):
        gone = len(GOOD) + 1  # our own question is a connection, too
        while await asyncio.to_thread(node.metric, "chunk7_node_connections") > gone:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # poll, bounded by the deadline
    return Level(
        node.process.memory_info().rss,
        node.process.num_fds(),
        int(await asyncio.to_thread(node.metric, "chunk7_node_tasks")),
    )


@contextlib.asynccontextmanager
async def _watched(store_url: str, done: Fuzzed) -> AsyncIterator[None]:
    """Everything the store executes is looked at: MONITOR on a connection of its own."""
    host, port = store_url.removeprefix("redis://").partition("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"MONITOR\r\n")
    await reader.readline()
    watching = asyncio.create_task(_watch(reader, done))
    try:
        yield
    finally:
        await asyncio.sleep(0)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        writer.close()


async def _watch(reader: asyncio.StreamReader, done: Fuzzed) -> None:
    """Names and keys of the node's commands; the writer's, and what its script does, are known."""
    allowed = {session.encode() for session in (*BAD_SESSIONS, *GOOD)}
    writers: set[str] = {"lua"}
    while line := await reader.readline():
        command = parse_line(line.rstrip(b"\r\n"))
        if command is None:
            done.strange_commands.add(f"unread: {line[:80]!r}")
            continue
        done.commands += 1
        if b"fuzz-writer" in command.args:
            writers.add(command.client)
        if command.client in writers:
            continue
        if command.name not in READS:
            done.strange_commands.add(command.name)
        for argument in command.args:
            if (key := _KEY.match(argument)) and key[1] not in allowed:
                done.strange_commands.add(f"{command.name} {argument!r}")


def main() -> int:
    """Fuzz, say what came of it; exit code 1 when something must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    print(f"seed {given.seed}", file=sys.stderr)
    done = fuzz(given.inputs, given.seed)
    if given.json:
        print(json.dumps(done.document()))
    else:
        print(
            f"{done.inputs.total():,} bad inputs on {done.connections:,} connections in "
            f"{done.seconds:.0f} s: {dict(done.inputs)}\nanswers: {dict(done.statuses)}\n"
            f"{done.commands:,} commands seen; good clients: {done.written:,} chunks each\n"
            f"memory x{done.growth:.2f}, {done.levels[0]} to {done.levels[-1]}"
        )
        print(*done.faults() or ["nothing wrong"], sep="\n")
    return 1 if done.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
