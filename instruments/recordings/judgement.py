"""The document of `chunk7 judge --json` (docs/recordings.md)."""

from collections.abc import Sequence

import msgspec


class JudgedRecording(msgspec.Struct, frozen=True):
    """A recording that was read: its format, by which rules, and whether its answer ended."""

    file: str
    format: str
    rules: str
    frames: int
    pieces: int
    ended: bool


class JudgedStretch(msgspec.Struct, frozen=True):
    """Chunks `first`..`last` of the expected recording, counted from 1.

    `seq`, `message_id`, `index` are the first one's, where both recordings have such. `text` is the
    beginning of what they say, `frame` the frame of the received recording at which it showed; null
    where there is none, at the end. `ambiguous`: neighbouring chunks say the same.
    """

    first: int
    last: int
    seq: int | None
    message_id: str | None
    index: int | None
    at_character: int
    characters: int
    text: str
    frame: int | None
    ambiguous: bool


class UnexpectedPiece(msgspec.Struct, frozen=True):
    """A received piece that no chunk explains; `alters` is the chunk that it says it is."""

    frame: int
    seq: int | None
    message_id: str | None
    index: int | None
    text: str
    alters: int | None


class JudgeDocument(msgspec.Struct, frozen=True):
    """The verdict; the numbers are null, and the lists empty, where there is none."""

    judged: bool
    because: str | None
    """Why it could not be judged."""
    expected: JudgedRecording
    received: JudgedRecording
    by: str | None = None
    """By what chunks were told apart: seq, index or text."""
    chunks: int | None = None
    """Expected: those after what the client said it has."""
    delivered: int | None = None
    lost: list[JudgedStretch] = []
    undetermined: list[JudgedStretch] = []
    """Missing at the end, where nobody knows whether the client was still there."""
    duplicate: list[JudgedStretch] = []
    out_of_order: list[JudgedStretch] = []
    unexpected: list[UnexpectedPiece] = []
    schema: int = 1

    def count(self, verdict: str) -> int:
        """How many chunks (of unexpected: pieces) got a verdict."""
        found = getattr(self, verdict)
        if verdict == "unexpected":
            return len(found)
        return chunks_of(found)


def chunks_of(stretches: Sequence[JudgedStretch]) -> int:
    """How many chunks they are together."""
    return sum(one.last - one.first + 1 for one in stretches)
