"""What one client received, held against what it should have: by number, by index, or by text."""

from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.analysis.alignment import ExpectedChunk, ReceivedPiece, SessionText, Stretch, align
from chunk7.loadtest.targets.frame_reader import Sighting


@dataclass(frozen=True, slots=True)
class ExpectedPiece:
    """A chunk that is owed. `text` None: nobody knows what it says, only that there is one."""

    text: str | None
    index: int | None = None
    seq: int | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedVisit:
    """Places count from 0 among the `expected` chunks. `by`: how they were told apart."""

    expected: int
    missing: tuple[int, ...]
    duplicates: tuple[int, ...]
    out_of_order: tuple[int, ...]
    unexpected: int
    by: str


def judge(expected: Sequence[ExpectedPiece], seen: Sequence[Sighting]) -> JudgedVisit:
    """Every chunk from the first on is owed.

    >>> judge([ExpectedPiece("a", 0), ExpectedPiece("b", 1)], [Sighting(index=1, text="b")]).missing
    (0,)
    """
    without_text = any(piece.text is None for piece in expected)
    numbered = all(piece.seq is not None for piece in expected)
    text = SessionText([
        ExpectedChunk(
            (piece.seq if numbered and piece.seq is not None else place),
            piece.message_id,
            piece.index,
            piece.text or "",
        )
        for place, piece in enumerate(expected, 1)
    ])  # fmt: skip
    pieces = [
        ReceivedPiece(
            None if without_text else one.text,
            one.seq if numbered else None,
            one.message_id,
            one.index,
        )
        for one in seen
    ]
    found = align(text, pieces, 0, owed=0)
    had = {place for places in found.completed for place in places}
    return JudgedVisit(
        expected=len(expected),
        missing=tuple(place for place in range(len(expected)) if place not in had),
        duplicates=_places(found.repeats),
        out_of_order=_places(found.swaps),
        unexpected=sum(found.unexpected),
        by=found.by,
    )


def _places(stretches: Sequence[Stretch]) -> tuple[int, ...]:
    return tuple(place for one in stretches for place in range(one.first, one.last + 1))
