"""What a client makes of the frames it is sent: receipts, gaps, facts. No I/O.

Nothing is de-duplicated here: every receipt is written down as it came, and judged later.
"""

from collections.abc import Callable

import msgspec

from chunk7.delivery.chunk import digest
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
from chunk7.wire.tables import Via

AddReceipt = Callable[[int, int, int, int, int], None]
"""Takes a row of the `receipts` table. Raises OverflowError for a `seq` that none can have."""


class BadFrame(Exception):
    """The node sent something that is no frame of docs/protocol.md."""


class Reader:
    """One visit's reading. Instants are `wire.clock.now_ns()`, None until it happened, and of the
    newest of the visit's connections; everything else is of all of them."""

    __slots__ = (
        "_add_receipt",
        "_connection_id",
        "_fills_gaps",
        "error",
        "fetches",
        "gaps",
        "heartbeats",
        "history_ns",
        "last_receipt_ns",
        "welcome_ns",
    )

    def __init__(self, connection_id: int, add_receipt: AddReceipt, fills_gaps: bool) -> None:
        self._connection_id = connection_id
        self._add_receipt = add_receipt
        self._fills_gaps = fills_gaps
        self.gaps = GapTracker()
        self.history_ns: int | None = None
        self.welcome_ns: int | None = None
        self.last_receipt_ns: int | None = None
        self.heartbeats = 0
        self.fetches = 0
        self.error: str | None = None
        """The last error frame, as `code: reason`."""

    def rejoin(self) -> None:
        """A new connection takes the place of the last: its first history is the join's again."""
        self.history_ns = self.welcome_ns = None

    def take(self, payload: bytes | bytearray | memoryview, at_ns: int) -> bytes | None:
        """Read one frame; the frame to send in return, if any. Raises BadFrame."""
        try:
            frame = decode_server_frame(payload)
        except msgspec.MsgspecError as error:
            raise BadFrame(f"bad frame: {error}") from error
        if type(frame) is ChunkFrame:
            self._receive(frame, Via.LIVE, at_ns)
        elif type(frame) is HistoryFrame:
            self._read_history(frame, at_ns)
        elif type(frame) is HeartbeatFrame:
            self.heartbeats += 1
            self.gaps.learn_epoch(frame.epoch)
            self.gaps.learn_head(frame.head_seq)
        elif type(frame) is WelcomeFrame:
            self.welcome_ns = at_ns
            self.gaps.learn_epoch(frame.epoch)
            self.gaps.learn_head(frame.head_seq or 0)
        elif type(frame) is ErrorFrame:
            self.error = f"{frame.code}: {frame.reason}"
        return self._fetch() if self._fills_gaps else None

    def _read_history(self, frame: HistoryFrame, at_ns: int) -> None:
        """A connection's first history frame is the join's; those after it answer fetches."""
        via = Via.HISTORY if self.history_ns is None else Via.FETCH
        if self.history_ns is None:
            self.history_ns = at_ns
        for chunk in frame.messages:
            self._receive(chunk, via, at_ns)

    def _receive(self, chunk: ChunkFrame, via: int, at_ns: int) -> None:
        seq = chunk.seq
        crc = digest(chunk.message_id, chunk.index, chunk.text, chunk.final)
        try:
            self._add_receipt(self._connection_id, seq, crc, via, at_ns)
        except OverflowError as error:
            raise BadFrame(f"bad frame: no chunk has the number {seq}") from error
        self.last_receipt_ns = at_ns
        self.gaps.receive(seq)

    def _fetch(self) -> bytes | None:
        """Before its history has come a client cannot tell a hole from what is on its way."""
        if self.history_ns is None or (hole := self.gaps.wanted()) is None:
            return None
        self.fetches += 1
        return encode(FetchFrame(*hole))
