"""A property of one's own: what must hold of all that a reader was shown.

@reader_property
def never_shows_a_chunk_twice(shown: Sequence[Chunk], due: Sequence[Chunk]) -> bool:
    return len(set(shown)) == len(shown)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.errors import UsageError
from chunk7.delivery.user_file import load_file

Holds = Callable[[Sequence[Chunk], Sequence[Chunk]], bool]
"""Given what was shown, in its order, and what was due: what the producer knows to be written."""


@dataclass(frozen=True, slots=True)
class ReaderProperty:
    """A named function that says of one reader, when nothing more can happen, whether it holds."""

    name: str
    holds: Holds


def reader_property(holds: Holds) -> ReaderProperty:
    """Make a function a property of the same name."""
    return ReaderProperty(holds.__name__, holds)


def load_properties(path: Path) -> list[ReaderProperty]:
    """All that a file has, in its order. Raises UsageError in one line for a file without any."""
    found = [each for each in vars(load_file(path, "properties")).values() if _is(each)]
    if not found:
        raise UsageError(f"{path} has no function with @reader_property")
    return found


def _is(value: object) -> bool:
    return isinstance(value, ReaderProperty)
