"""Recorded answers: one JSONL file each, a line a chunk. docs/answers.md describes the format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from chunk7.delivery.errors import UsageError

SHIPPED = Path(__file__).parent / "answers"
"""The corpus that comes with chunk7."""

MAX_AT_MS = 86_400_000
"""A day: no answer takes longer."""


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """One recorded answer. Chunk i has the text `texts[i]` and came `at_ms[i]` after the request.

    Both have the shape (chunks,), at least one; `at_ms` never decreases, and its first is the
    time to the first token.
    """

    name: str
    texts: tuple[str, ...]
    at_ms: NDArray[np.float64]


class _Line(msgspec.Struct, frozen=True):
    text: Annotated[str, msgspec.Meta(min_length=1)]
    at_ms: Annotated[float, msgspec.Meta(ge=0, le=MAX_AT_MS)]


_decode_line = msgspec.json.Decoder(_Line).decode


def read_answers(folder: Path) -> tuple[Answer, ...]:
    """Every `*.jsonl` file of a folder, by name.

    Raises UsageError, naming the file and the line, for whatever is not as docs/answers.md says.
    """
    try:
        paths = sorted(folder.glob("*.jsonl"))
        if not folder.is_dir() or not paths:
            raise UsageError(f"--answers {folder}: want a folder with at least one .jsonl file")
        return tuple(_read_answer(path) for path in paths)
    except OSError as error:
        raise UsageError(f"--answers {error.filename}: {error.strerror}") from error


def _read_answer(path: Path) -> Answer:
    lines: list[_Line] = []
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line = _decode_line(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}:{number}: {error}") from error
        if lines and line.at_ms < lines[-1].at_ms:
            raise UsageError(
                f"{path}:{number}: at_ms {line.at_ms:g} is before the line above, "
                f"{lines[-1].at_ms:g}: it must not decrease"
            )
        lines.append(line)
    if not lines:
        raise UsageError(f'{path}:1: empty: want a line {{"text": ..., "at_ms": ...}} a chunk')
    texts = tuple(line.text for line in lines)
    return Answer(path.stem, texts, np.array([line.at_ms for line in lines]))
