"""One recording of an answer held against another: what is lost, doubled, late, altered.

The expected recording's pieces are the chunks; where it has one twice (a history and what came
live), the first counts. Pieces are told apart by what both recordings say: number, index, message;
else by their text alone (`analysis/alignment.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chunk7.analysis.alignment import (
    Alignment,
    ExpectedChunk,
    ReceivedPiece,
    SessionText,
    Stretch,
    align,
)
from chunk7.instruments.recordings.judgement import (
    JudgeDocument,
    JudgedRecording,
    JudgedStretch,
    UnexpectedPiece,
)
from chunk7.instruments.recordings.reading import ReadRecording, RecordedPiece
from chunk7.loadtest.targets.frame_reader import Sighting

_SHOWN = 80
"""Characters of a text in the document."""
_NAMES = ("seq", "message_id", "index")


class NotJudged(Exception):
    """Why two recordings cannot be held against each other."""


@dataclass(frozen=True, slots=True)
class ComparedRecordings:
    """Two recordings, made comparable, and what is known of the received one.

    `chunks` are the expected recording's pieces that count, in the order of `text`. `after` is how
    many of them the client said it has, `ended` whether it was there until the answer was over.
    """

    expected: ReadRecording
    received: ReadRecording
    chunks: tuple[RecordedPiece, ...]
    text: SessionText
    pieces: tuple[ReceivedPiece, ...]
    found: Alignment
    after: int
    ended: bool


def compare_recordings(
    expected: ReadRecording, received: ReadRecording, after: int = 0, whole: bool = False
) -> ComparedRecordings:
    """Hold `received` against `expected`.

    after: the client said that it has so many of the expected chunks. whole: it stayed until the
    answer was over; without that, and without a frame that says so, what is missing at the end is
    undetermined. Raises NotJudged.
    """
    usable = usable_names(
        [piece.seen for piece in expected.pieces], [piece.seen for piece in received.pieces]
    )
    chunks = _chunks(expected, usable)
    if after > len(chunks):
        raise NotJudged(f"--after {after}: the expected recording has {len(chunks)} chunks")
    pieces = tuple(as_received(piece.seen, usable) for piece in received.pieces)
    silent = next((n for n, one in enumerate(pieces) if one == ReceivedPiece()), None)
    if silent is not None:
        frame = received.pieces[silent].frame
        raise NotJudged(
            f"frame {frame} of {received.recording.path} has no text, and no number that "
            f"{expected.recording.path} has, too"
        )
    text = SessionText([as_expected(n, one.seen, usable) for n, one in enumerate(chunks, 1)])
    found = align(text, pieces, text.bounds[after], owed=after)
    if not any(found.completed):
        raise NotJudged("not one chunk of the expected recording is in the received one")
    ended = whole or received.ended
    return ComparedRecordings(expected, received, chunks, text, pieces, found, after, ended)


def not_judged(
    expected: ReadRecording, received: ReadRecording, reason: NotJudged
) -> JudgeDocument:
    """The document that says why there is no verdict."""
    return JudgeDocument(False, str(reason), _described(expected), _described(received))


def usable_names(expected: Sequence[Sighting], received: Sequence[Sighting]) -> set[str]:
    """The names that every expected piece has, and some received one: the others tell nothing."""
    return {
        name
        for name in _NAMES
        if all(getattr(seen, name) is not None for seen in expected)
        and any(getattr(seen, name) is not None for seen in received)
    }


def _chunks(expected: ReadRecording, usable: set[str]) -> tuple[RecordedPiece, ...]:
    """Each expected chunk once, in the order of their numbers if they have any.

    One without text that no name tells apart cannot be missed, and is none.
    """
    by_name: dict[object, RecordedPiece] = {}
    for number, piece in enumerate(expected.pieces):
        if not piece.seen.text and not usable & {"seq", "index"}:
            continue
        name = tuple(getattr(piece.seen, name) for name in _NAMES)
        is_named = name[0] is not None or None not in name[1:]
        first = by_name.setdefault(name if is_named else number, piece)
        if first.seen.text != piece.seen.text:
            raise NotJudged(
                f"{expected.recording.path} contradicts itself: frames {first.frame} and "
                f"{piece.frame} bring one chunk with two texts"
            )
    pieces = list(by_name.values())
    if all(piece.seen.seq is not None for piece in pieces):
        pieces.sort(key=lambda piece: piece.seen.seq or 0)
    return tuple(pieces)


def as_expected(number: int, seen: Sighting, usable: set[str]) -> ExpectedChunk:
    """Where numbers tell nothing, one that no piece can have."""
    received = as_received(seen, usable)
    seq = -number if received.seq is None else received.seq
    return ExpectedChunk(seq, received.message_id, received.index, received.text or "")


def as_received(seen: Sighting, usable: set[str]) -> ReceivedPiece:
    """With the names alone that tell something."""
    return ReceivedPiece(
        text=seen.text,
        seq=seen.seq if "seq" in usable else None,
        message_id=seen.message_id if "message_id" in usable else None,
        index=seen.index if "index" in usable else None,
    )


# --- what it comes to ----------------------------------------------------------------------


def _described(read: ReadRecording) -> JudgedRecording:
    return JudgedRecording(
        file=str(read.recording.path),
        format=read.recording.format,
        rules=read.rules,
        frames=len(read.recording.content.frames),
        pieces=len(read.pieces),
        ended=read.ended,
    )


def judgement_of(compared: ComparedRecordings) -> JudgeDocument:
    """The document that says what came of it."""
    text, found, read = compared.text, compared.found, compared.received
    places = {place for one in found.completed for place in one}
    missing = [_stretch(text, one, read) for one in found.holes]
    tail = _tail(text, max(*places, compared.after - 1) + 1)
    at_end = [_stretch(text, one, None) for one in tail]
    return JudgeDocument(
        True,
        None,
        _described(compared.expected),
        _described(read),
        by=found.by,
        chunks=len(text.chunks) - compared.after,
        delivered=sum(place >= compared.after for place in places),
        lost=missing + at_end if compared.ended else missing,
        undetermined=[] if compared.ended else at_end,
        duplicate=[_stretch(text, one, read) for one in found.repeats],
        out_of_order=[_stretch(text, one, read) for one in found.swaps],
        unexpected=[
            _unexpected(text, read.pieces[n], compared.pieces[n])
            for n, is_unexpected in enumerate(found.unexpected)
            if is_unexpected
        ],
    )


def _tail(session: SessionText, first: int) -> Iterable[Stretch]:
    """What comes after the last chunk received, as one stretch."""
    last = len(session.chunks) - 1
    if first > last:
        return ()
    at = session.bounds[first]
    return (Stretch(first, last, at, session.bounds[-1] - at, piece=-1),)


def _stretch(session: SessionText, one: Stretch, read: ReadRecording | None) -> JudgedStretch:
    first = session.chunks[one.first]
    return JudgedStretch(
        first=one.first + 1,
        last=one.last + 1,
        seq=first.seq if first.seq > 0 else None,
        message_id=first.message_id,
        index=first.index,
        at_character=one.at,
        characters=one.characters,
        text=_excerpt(session.text[one.at : one.at + one.characters]),
        frame=read.pieces[one.piece].frame if read else None,
        ambiguous=one.ambiguous,
    )


def _unexpected(
    text: SessionText, piece: RecordedPiece, compared: ReceivedPiece
) -> UnexpectedPiece:
    named = text.named(compared) or []
    return UnexpectedPiece(
        frame=piece.frame,
        seq=piece.seen.seq,
        message_id=piece.seen.message_id,
        index=piece.seen.index,
        text=_excerpt(piece.seen.text or ""),
        alters=named[0] + 1 if named else None,
    )


def _excerpt(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
