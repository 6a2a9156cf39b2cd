"""What a client keeps, shows, asks for and resumes after: a policy's protocol.

Pure: a client's memory is a hashable value that comes in and goes out, so that the explorer can
compare states. A chunk that is received and never shown is as lost to the reader as one that never
came. The policies that are shipped are in `delivery/clients/`, one a file.
"""

from collections.abc import Hashable
from typing import Any, Protocol

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import Cursor
from chunk7.delivery.frames import Frame

Taken = tuple[Hashable, tuple[Chunk, ...]]
"""A memory, and the chunks that got into the text that the reader sees, in their order."""

SeqRange = tuple[int, int]
"""First and last number, both included."""


class ClientModel(Protocol):
    """A client's half of an ordering."""

    asks: bool
    """Whether it makes use of head numbers and of fetch; if not, heartbeats change nothing."""

    reads_cursors: bool
    """Whether it looks at the cursors of frames; if not, they have none."""

    def start(self) -> Hashable:
        """The memory of one that has received nothing."""

    def take(self, memory: Any, frame: Frame) -> Taken:
        """A frame came."""

    def ask(self, memory: Any) -> tuple[Hashable, SeqRange | None]:
        """After each frame: the range to fetch now, or None.

        Not before the connection's first history frame has come: until then a client cannot tell
        a hole from what is on its way. Who runs a client holds to that.
        """

    def misses(self, memory: Any) -> bool:
        """Whether it knows of a hole that has not been filled."""

    def resume_after(self, memory: Any) -> int | Cursor:
        """The `after_seq` with which it connects again; a text is the join's `after`."""
