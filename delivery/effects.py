"""What an ordering may ask for. One effect is one atomic event at the store or the socket.

An ordering yields an effect and is sent back the answer named in that effect's docstring.
A driver decides when, and against what, the effect happens: a live node awaits a real store,
the explorer tries every moment, the simulator draws one.
"""

from dataclasses import dataclass
from enum import StrEnum

from chunk7.delivery.chunk import Chunk


class Sink(StrEnum):
    """Where live chunks go from the subscription on."""

    CLIENT = "client"
    BUFFER = "buffer"


Cursor = str
"""A position in a stream: the id of the last entry read. `BEGINNING` is before the first."""

BEGINNING: Cursor = "0-0"
NEWEST: Cursor = "$"


@dataclass(frozen=True, slots=True)
class StreamRead:
    """Answer to `ReadStream`: the entries after the cursor, and the cursor behind them."""

    chunks: tuple[Chunk, ...]
    cursor: Cursor


# --- either side ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pause:
    """The process's own work between two steps (node work, save lag). Answer: None."""


# --- connect side: what a relay node does when a client joins ------------------------------


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Send SUBSCRIBE for the session; live chunks then go to `to`. Answer: None.

    Sent is not subscribed: the store executes it later. Yield `Confirmed` to wait for that.
    """

    to: Sink = Sink.CLIENT

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", Sink(self.to))  # drivers ask which one it is


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Wait until the store has confirmed the subscription. Answer: None."""


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The client listens no longer; UNSUBSCRIBE is sent after the node's last. Answer: None.

    What is held for it is dropped. It may subscribe again.
    """


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """LRANGE: every saved chunk with after_seq < seq (<= to_seq). Answer: tuple[Chunk, ...].

    A chunk that was saved without a number (seq 0) is in no answer.
    """

    after_seq: int = 0
    to_seq: int | None = None


@dataclass(frozen=True, slots=True)
class ReadHead:
    """GET the session's sequence counter. Answer: int, 0 when nothing was ever numbered."""


@dataclass(frozen=True, slots=True)
class SendHistory:
    """Write a history frame to the client, with the cursor behind it if it has one. Answer: None.

    The wire of our own nodes has no cursors: they leave it out.
    """

    chunks: tuple[Chunk, ...]
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class SendWelcome:
    """Write the welcome frame; `head_seq` if the ordering knows it. Answer: None."""

    head_seq: int | None = None


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """GET the session's status key. Answer: str, or None when nothing was ever set."""


@dataclass(frozen=True, slots=True)
class SendEnd:
    """Write the end frame: the client is told that the answer is over. Answer: None."""


@dataclass(frozen=True, slots=True)
class SendControl:
    """Write a control frame. RECOVERED says that nothing is missing. Answer: None."""

    kind: str


RECOVERED = "recovered"
"""The control frame by which a node vouches for all that has been written so far."""


@dataclass(frozen=True, slots=True)
class Release:
    """Send what the buffer holds, by seq, without what the client has; then go straight.

    The client has every chunk up to the join's `after_seq`, which need not be said here, and those
    whose seqs are in `known`: what the ordering has sent it. One event: no live chunk can come
    between the last buffered one and the first direct one. A chunk that was published before the
    read may still be on its way to the node, on another connection than the read's answer. So what
    the client has is left out of what comes after the release as well, until the first whose seq
    is above it all. A chunk without a number (seq 0) is never left out.
    `chunk7.delivery.handover` has these rules for every driver. Answer: None.
    """

    known: frozenset[int]


@dataclass(frozen=True, slots=True)
class ReadStream:
    """XRANGE: every entry after the cursor. Answer: StreamRead."""

    after: Cursor = BEGINNING


@dataclass(frozen=True, slots=True)
class ReadTail:
    """XREVRANGE + - COUNT 1: where the stream ends now. Answer: Cursor, the newest entry's id.

    `BEGINNING` when the stream has no entry, whatever it has had.
    """


@dataclass(frozen=True, slots=True)
class Follow:
    """From now on every stream entry after the cursor goes to `to`, in order. Answer: None.

    `NEWEST` means after whatever is last when the store executes it (XREAD's `$`).
    """

    after: Cursor
    to: Sink = Sink.CLIENT

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", Sink(self.to))  # as for Subscribe


@dataclass(frozen=True, slots=True)
class ReleaseAfter:
    """Send what a followed stream's buffer holds above the cursor, then go straight. Answer: None.

    Up to the cursor, the high-water mark, the client has everything. Entries up to it that come
    later are left out, too (`chunk7.delivery.following`). One event, as `Release`.
    """

    after: Cursor


@dataclass(frozen=True, slots=True)
class Start:
    """Have the producer begin, if nobody has yet. Answer: None.

    With an ordering that names it nothing is written before a join has asked for it.
    """


@dataclass(frozen=True, slots=True)
class LookWhenPoked:
    """From now on read the history at each notice, and send what is new. Answer: None.

    New is what has a higher number than all before, first of all than `after_seq`. Notices (`Poke`)
    count from the subscription on: one that came before this effect makes the node look at once,
    several are as one.
    """

    after_seq: int = 0


# --- write side: what the producer does with one chunk -------------------------------------


@dataclass(frozen=True, slots=True)
class NextSeq:
    """INCR the session's counter. Answer: int, the chunk's sequence number."""


@dataclass(frozen=True, slots=True)
class Publish:
    """PUBLISH the chunk. Answer: int, how many subscribers the store handed it to."""

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Save:
    """RPUSH the chunk to the history list and renew its time to live. Answer: None."""

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class SaveAndPublish:
    """MULTI: Save and Publish as one event. The chunk has its number. Answer: int, receivers."""

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class NumberSaveAndPublish:
    """A Lua script: take the number, save, publish, as one event. Answer: int, receivers."""

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Append:
    """XADD the chunk to the session's stream, trimmed to the configured length.

    Answer: Cursor, the entry's id.
    """

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Poke:
    """PUBLISH a notice that has no chunk and only says: look. Answer: int, receivers."""


@dataclass(frozen=True, slots=True)
class AwaitReplicas:
    """WAIT: until replicas have done all that was written so far. Answer: None."""


@dataclass(frozen=True, slots=True)
class Begin:
    """DEL history, stream and counter: the keys are used anew, numbers from 1. Answer: None."""


@dataclass(frozen=True, slots=True)
class Clear:
    """DEL history and stream; numbers go on where they were. Answer: None."""


@dataclass(frozen=True, slots=True)
class SetStatus:
    """SET the session's status key, whatever it was. Answer: None."""

    status: str


ConnectEffect = (
    Pause
    | Subscribe
    | Confirmed
    | Unsubscribe
    | ReadHistory
    | ReadHead
    | SendHistory
    | SendWelcome
    | ReadStatus
    | SendEnd
    | SendControl
    | Release
    | ReadStream
    | ReadTail
    | Follow
    | ReleaseAfter
    | Start
    | LookWhenPoked
)
WriteEffect = (
    Pause
    | NextSeq
    | Publish
    | Save
    | SaveAndPublish
    | NumberSaveAndPublish
    | Append
    | Poke
    | AwaitReplicas
    | Begin
    | Clear
    | SetStatus
)
