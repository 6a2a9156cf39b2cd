"""The rules of `nodes/demo/chat-client.js`, held to it by one table (`tests/chat_client_cases.py`).

It shows each (message, index) once, asks for every hole, once a heartbeat and MAX_ASKS times in
all, and resumes behind its last number without a hole. The browser's may have four fetches waiting;
who runs a policy asks it once a frame.
"""

from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import SeqRange, Taken
from chunk7.delivery.frames import Frame, HeadFrame, chunks_in

MAX_ASKS = 5
"""Rounds, a heartbeat apart, in which a number is asked for; then it is taken to be lost."""
MAX_FETCH = 10_000
"""Numbers in one fetch."""


class Transcript(NamedTuple):
    """What the client holds. `asks` is (number, how often asked for), `this_round` since a head."""

    head_seq: int = 0
    epoch: str | None = None
    keys: frozenset[tuple[str, int]] = frozenset()
    seqs: frozenset[int] = frozenset()
    asks: frozenset[tuple[int, int]] = frozenset()
    this_round: frozenset[int] = frozenset()

    def holes(self) -> Iterator[int]:
        """Every number up to the head that has not come, ascending."""
        return (seq for seq in range(1, self.head_seq + 1) if seq not in self.seqs)

    def lost(self) -> frozenset[int]:
        """Numbers asked for so often, in vain, that they are given up."""
        tired = frozenset(seq for seq, asks in self.asks if asks >= MAX_ASKS)
        return tired - self.this_round


class ChatClient:
    """The browser client of the demo."""

    asks = True
    reads_cursors = False

    def start(self) -> Hashable:
        return Transcript()

    def take(self, memory: Any, frame: Frame) -> Taken:
        held: Transcript = memory
        if isinstance(frame, HeadFrame):
            if frame.epoch not in (None, held.epoch):
                held = Transcript() if held.epoch is not None else held  # numbers have begun again
                held = held._replace(epoch=frame.epoch)
            head_seq = max(held.head_seq, frame.head_seq or 0)
            held = held._replace(head_seq=head_seq, this_round=frozenset())
        shown = []
        for chunk in chunks_in(frame):
            if chunk.seq > 0 and _key(chunk) not in held.keys:
                held = _received(held, chunk)
                shown.append(chunk)
        return held, tuple(shown)

    def ask(self, memory: Any) -> tuple[Hashable, SeqRange | None]:
        held: Transcript = memory
        times = dict(held.asks)
        wanted = _first_run(
            seq
            for seq in held.holes()
            if seq not in held.this_round and times.get(seq, 0) < MAX_ASKS
        )
        if wanted is None:
            return held, None
        asked = range(wanted[0], wanted[1] + 1)
        times.update((seq, times.get(seq, 0) + 1) for seq in asked)
        this_round = held.this_round.union(asked)
        return held._replace(asks=frozenset(times.items()), this_round=this_round), wanted

    def misses(self, memory: Any) -> bool:
        held: Transcript = memory
        return bool(set(held.holes()) - held.lost())

    def resume_after(self, memory: Any) -> int:
        held: Transcript = memory
        seq = 0
        while seq + 1 in held.seqs:
            seq += 1
        return seq


def _received(held: Transcript, chunk: Chunk) -> Transcript:
    return held._replace(
        head_seq=max(held.head_seq, chunk.seq),
        keys=held.keys | {_key(chunk)},
        seqs=held.seqs | {chunk.seq},
        asks=frozenset(pair for pair in held.asks if pair[0] != chunk.seq),
    )


def _key(chunk: Chunk) -> tuple[str, int]:
    return chunk.message_id, chunk.index


def _first_run(seqs: Iterator[int]) -> SeqRange | None:
    """The first numbers without a gap between them, MAX_FETCH at most."""
    first = last = next(seqs, None)
    if first is None or last is None:
        return None
    for seq in seqs:
        if seq != last + 1 or seq - first == MAX_FETCH:
            break
        last = seq
    return first, last
