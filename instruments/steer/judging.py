"""What one client received, held against what it should have: by number, by index, or by text."""

from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.analysis.alignment import SessionText, Stretch, align
from chunk7.instruments.recordings.judging import (
    NotJudged,
    as_expected,
    as_received,
    usable_names,
)
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
    """Places count from 0 among the `expected` chunks; a chunk that came three times is there
    twice among the `duplicates`. `unexpected`: pieces that, or some of which, are in no chunk, or
    that differ from the one they name. `by`: how the chunks were told apart, seq, index or text.
    """

    expected: int
    missing: tuple[int, ...]
    duplicates: tuple[int, ...]
    out_of_order: tuple[int, ...]
    unexpected: int
    by: str


def judge(expected: Sequence[ExpectedPiece], seen: Sequence[Sighting]) -> JudgedVisit:
    """Every chunk from the first on is owed.

    Raises NotJudged if nothing of what was seen tells which chunk it is.

    >>> judge([ExpectedPiece("a", 0), ExpectedPiece("b", 1)], [Sighting(index=1, text="b")]).missing
    (0,)
    """
    known = [
        Sighting(message_id=one.message_id, index=one.index, seq=one.seq, text=one.text)
        for one in expected
    ]
    if any(one.text is None for one in known):
        seen = [_without_text(one) for one in seen]
    usable = usable_names(known, seen)
    if seen and not usable & {"seq", "index"} and all(one.text is None for one in seen):
        raise NotJudged("no frame says which chunk it brings, by seq, index or text")
    text = SessionText([as_expected(place, one, usable) for place, one in enumerate(known, 1)])
    found = align(text, [as_received(one, usable) for one in seen], owed=0)
    had = {place for places in found.completed for place in places}
    return JudgedVisit(
        expected=len(known),
        missing=tuple(place for place in range(len(known)) if place not in had),
        duplicates=_places(found.repeats),
        out_of_order=_places(found.swaps),
        unexpected=sum(found.unexpected),
        by=found.by,
    )


def _without_text(seen: Sighting) -> Sighting:
    return Sighting(seen.session_id, seen.message_id, seen.index, seen.seq, seen.id)


def _places(stretches: Sequence[Stretch]) -> tuple[int, ...]:
    return tuple(place for one in stretches for place in range(one.first, one.last + 1))
