"""How a session is produced: by how many writers, and what each does while it waits for a reply."""

from dataclasses import dataclass
from enum import StrEnum

MAX_WRITERS = 4
MAX_OVERLAP = 4


class Retry(StrEnum):
    """What a producer does that hears no reply to a command."""

    SAME = "same"
    """It repeats the command: with the same number, if the command carries one."""
    NEW = "new"
    """It writes the chunk anew, from its ordering's first step: under a new number."""


@dataclass(frozen=True, slots=True)
class ProducerLife:
    """The session's chunks are dealt to `writers` producers in turn, each with its own pace.

    Each begins its chunks in their order and has up to `overlap` of them under way at once, the
    commands of one in their order. Without a `retry` it gives up a chunk whose reply is lost.
    """

    writers: int = 1
    overlap: int = 1
    retry: Retry | None = None

    def name(self, writer: int) -> str:
        """A producer's name, as an actor. Those behind the `writers` are zombies."""
        kind, place = "producer", writer
        if writer >= self.writers:
            kind, place = "zombie", writer - self.writers
        return f"{kind}{place + 1}" if place else kind

    def lane(self, writer: int, chunks: int) -> range:
        """The numbers of a producer's chunks, out of so many, counted from 1; a zombie has none."""
        return range(writer + 1, chunks + 1, self.writers) if writer < self.writers else range(0)


ONE_BY_ONE = ProducerLife()
"""One producer, one chunk after the other, and what fails is given up."""
