"""What a client is sent, as its policy sees it: one class a kind of frame.

`wire/frames.py` has the same as JSON.
"""

from dataclasses import dataclass

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import Cursor


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """History. A connection's first is that of the join; those after it answer fetches.

    `cursor` is the position behind its chunks, None where the node has sent none.
    """

    chunks: tuple[Chunk, ...]
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """A live chunk; `cursor` is the id of its stream entry, None where the node has sent none."""

    chunk: Chunk
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class HeadFrame:
    """How far the session is, and what its numbers are of; None where the node does not say."""

    head_seq: int | None = None
    epoch: str | None = None


@dataclass(frozen=True, slots=True)
class JoinedFrame(HeadFrame):
    """A welcome: the join is complete."""


@dataclass(frozen=True, slots=True)
class BeatFrame(HeadFrame):
    """A heartbeat: the connection stands."""


@dataclass(frozen=True, slots=True)
class ControlFrame:
    """The node says something about the connection, such as `recovered` or `gap_possible`."""

    kind: str


@dataclass(frozen=True, slots=True)
class EndFrame:
    """The answer is over. `seq` is the end's own number, 0 if it has none."""

    seq: int = 0


Frame = StoredFrame | LiveFrame | JoinedFrame | BeatFrame | ControlFrame | EndFrame


def chunks_in(frame: Frame) -> tuple[Chunk, ...]:
    """The chunks that the frame brings."""
    match frame:
        case StoredFrame(chunks):
            return chunks
        case LiveFrame(chunk):
            return (chunk,)
    return ()
