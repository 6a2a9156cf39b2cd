"""One direction of a connection: passes what comes, and stops where it is told to.

Whole frames pass, and those parts of a frame that is longer than MAX_KEPT. When a frame is held,
what comes behind it waits here, up to MAX_BEHIND bytes; then nothing more is read, and the socket's
own flow control holds up whoever writes.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from chunk7.instruments.steer.resp import Frame, ProtocolFault, Scanner

MAX_KEPT = 1024 * 1024
"""Of a frame, before it is decided whether it waits: a longer one passes as it comes."""
MAX_BEHIND = 64 * 1024
"""Bytes behind a held frame, beyond those that had been read with it."""


class Holder(Protocol):
    """On whose word a frame waits."""

    def sent(self, way: "Way") -> bytes | None:
        """It goes now; what goes in its place, None: the frame itself."""


class Way:
    """`decide` says of a frame who holds it, None for nobody. One that is too long to be kept is
    decided before it has ended, and `ended` is told when it has. `no_resp` is told of bytes that
    are none, and must make us give up.
    """

    def __init__(
        self,
        scanner: Scanner,
        decide: Callable[[Frame], Holder | None],
        ended: Callable[[Frame], None],
        no_resp: Callable[[ProtocolFault], None],
    ) -> None:
        self._scanner = scanner
        self._decide = decide
        self._ended = ended
        self._no_resp = no_resp
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._streaming = False
        self._dropping = False
        """What goes in its place has gone; the rest of a long frame goes nowhere."""
        self._held: Holder | None = None
        self._held_bytes = b""
        self._behind: list[bytes] = []
        self._behind_size = 0
        self._full = False
        self._over = False
        self.source: asyncio.Transport | None = None
        self.sink: asyncio.Transport | None = None
        self.raw = False

    @property
    def between(self) -> bool:
        """Whether the frame that is being decided has come to its end."""
        return self._scanner.between

    def feed(self, data: bytes) -> None:
        """Pass, or keep, what has come."""
        if self.raw and self._held is None:
            self._write(data)
            return
        try:
            if self._held is not None:
                self._wait(data)
            elif self._streaming:
                self._stream(data)
            else:
                self._scan(data)
        except ProtocolFault as fault:  # of this data nothing has gone yet
            self._no_resp(fault)
            self._write(data)

    def give_up(self) -> None:
        """From now on everything passes unparsed."""
        self.raw, self._streaming = True, False
        self._flush()

    def _scan(self, data: bytes) -> None:
        """Find the frames in it; what nobody holds goes in one piece."""
        at, length = 0, len(data)
        while at < length and not self.raw:
            end = self._scanner.scan(data, at)
            if end < 0:
                break
            holder = self._decide(self._scanner.frame)
            if holder is not None:
                self._hold(holder, data, at, end)
                return
            at = end
        if self.raw:
            at = length
        if at:
            self._flush(data[:at] if at < length else data)
        if at < length:
            self._keep(data[at:])

    def _hold(self, holder: Holder, data: bytes, at: int, end: int) -> None:
        """What was kept is the beginning of data's first frame."""
        if at:
            self._flush(data[:at])
        self._held = holder
        self._held_bytes = b"".join((*self._kept, data[at:end]))
        self._kept, self._kept_size = [], 0
        if end < len(data):
            self._wait(data[end:])

    def _wait(self, data: bytes) -> None:
        self._behind.append(data)
        self._behind_size += len(data)
        self._flow()

    def _keep(self, data: bytes) -> None:
        """The beginning of a frame, until it can be decided."""
        self._kept.append(data)
        self._kept_size += len(data)
        if self._kept_size <= MAX_KEPT:
            return
        self._scanner.skim()
        holder = self._decide(self._scanner.frame)
        self._streaming = not self.raw
        if holder is None:
            self._flush()
        else:
            self._hold(holder, b"", 0, 0)

    def _stream(self, data: bytes) -> None:
        """The rest of a frame that was decided before its end."""
        end = self._scanner.scan(data, 0)
        rest = b""
        if 0 <= end < len(data):
            data, rest = data[:end], data[end:]
        if not self._dropping:
            self._write(data)
        if end >= 0:
            self._streaming = self._dropping = False
            self._ended(self._scanner.frame)
        if rest:
            self.feed(rest)

    def _flush(self, data: bytes = b"") -> None:
        if self._kept:
            data = b"".join((*self._kept, data))
            self._kept, self._kept_size = [], 0
        self._write(data)

    def release(self, holder: Holder) -> None:
        """Let go what this one holds, and go on with what came behind it."""
        if self._held is not holder:
            return
        data, self._held_bytes, self._held = self._held_bytes, b"", None
        instead = holder.sent(self)
        self._dropping = self._streaming and instead is not None
        self._write(data if instead is None else instead)
        behind, self._behind, self._behind_size = self._behind, [], 0
        while behind and self._held is None:
            self.feed(behind.pop(0))
        if behind:  # the first of them was held, and its rest comes before the others
            self._behind += behind
            self._behind_size += sum(map(len, behind))
        self._flow()

    def end(self) -> None:
        """Nothing more comes: what is held goes, as it would have gone, and then the end."""
        while self._held is not None:
            self.release(self._held)
        if not self._over:
            self._flush()
            self._over = True

    def fill(self, full: bool) -> None:
        """The sink takes no more for now, or takes more again."""
        self._full = full
        self._flow()

    def _flow(self) -> None:
        """Read on if what comes has somewhere to go."""
        if self.source is None or self.source.is_closing():
            return
        if self._full or self._behind_size > MAX_BEHIND:
            self.source.pause_reading()
        else:
            self.source.resume_reading()

    def _write(self, data: bytes) -> None:
        if data and not self._over and self.sink is not None and not self.sink.is_closing():
            self.sink.write(data)
