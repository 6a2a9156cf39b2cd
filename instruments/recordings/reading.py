"""The pieces of an answer in a recording's frames, by a target's rules or by known ones."""

from dataclasses import dataclass

import msgspec

from chunk7.delivery.errors import UsageError
from chunk7.instruments.recordings.formats import Recording
from chunk7.instruments.recordings.known import known_adapters, plain_text
from chunk7.loadtest.targets.adapter import Adapter
from chunk7.loadtest.targets.frame_reader import (
    FrameReader,
    FrameReading,
    Sighting,
    UnreadFrame,
    shown,
)
from chunk7.loadtest.targets.paths import text_of


@dataclass(frozen=True, slots=True)
class RecordedPiece:
    """What frame number `frame` (from 1) brought."""

    frame: int
    at_ns: int | None
    is_history: bool
    seen: Sighting


@dataclass(frozen=True, slots=True)
class ReadRecording:
    """A recording's pieces, in order. `rules` says by what they were read, `ended` whether a frame
    said that the answer was over."""

    recording: Recording
    rules: str
    pieces: tuple[RecordedPiece, ...]
    ended: bool


def read_pieces(recording: Recording, adapter: Adapter | None) -> ReadRecording:
    """Raises UsageError, naming file and frame, for a frame that the rules cannot read; and for a
    recording without one piece of an answer."""
    if adapter is not None:
        found = _read(recording, adapter)
        rules = adapter.file
    else:
        rules, found = _by_known(recording)
    pieces = tuple(
        RecordedPiece(number, frame.at_ns, reading.kind == "history", seen)
        for number, (frame, reading) in enumerate(
            zip(recording.content.frames, found, strict=True), 1
        )
        for seen in reading.sightings
        if any((seen.text, seen.seq is not None, seen.index is not None))
    )
    if not pieces:
        raise UsageError(f"{recording.path}: by {rules} no frame brings a piece of an answer")
    return ReadRecording(recording, rules, pieces, any(one.kind == "end" for one in found))


def of_session(read: ReadRecording, session_id: str | None) -> ReadRecording:
    """The pieces of one session. Raises UsageError when there are several and none is named, or
    the one that is named is not there."""
    found = {piece.seen.session_id for piece in read.pieces} - {None}
    path = read.recording.path
    if session_id is None and len(found) > 1:
        some = ", ".join(sorted(str(one) for one in found)[:5])
        raise UsageError(f"{path}: has {len(found)} sessions ({some}): --session says which")
    if session_id is None or not found:
        return read
    pieces = tuple(p for p in read.pieces if p.seen.session_id in (None, session_id))
    if session_id not in found:
        raise UsageError(f"--session {session_id}: {path} has {', '.join(map(str, found))}")
    return ReadRecording(read.recording, read.rules, pieces, read.ended)


def _read(recording: Recording, adapter: Adapter) -> list[FrameReading]:
    reader = FrameReader(adapter)
    found = []
    for number, frame in enumerate(recording.content.frames, 1):
        try:
            found.append(reader.read(frame.message))
        except UnreadFrame as error:
            raise UsageError(
                f"{recording.path}: frame {number}: {error} ({adapter.file})"
            ) from error
    return found


def _by_known(recording: Recording) -> tuple[str, list[FrameReading]]:
    """The known rules that read most; plain text only where no frame is an object or a list."""
    best, name = _nothing(recording), ""
    for rules, adapter in known_adapters().items():
        try:
            found = _read(recording, adapter)
        except UsageError:
            continue
        if _count(found) > _count(best):
            best, name = found, rules
    if name:
        return name, best
    structures = [f for f in recording.content.frames if _is_structure(f.message.data)]
    if structures:
        raise UsageError(
            f"{recording.path}: frames of no known provider: {shown(structures[0].message)}: "
            "--target FILE.yaml says how to read them (docs/recordings.md)"
        )
    return "plain text", _read(recording, plain_text())


def _nothing(recording: Recording) -> list[FrameReading]:
    return [FrameReading("control", -1)] * len(recording.content.frames)


def _count(found: list[FrameReading]) -> int:
    return sum(len(reading.sightings) for reading in found)


def _is_structure(data: str | bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(text_of(data)), dict | list)
    except msgspec.DecodeError:
        return False
