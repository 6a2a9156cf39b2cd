"""The formats of recordings, and which one a file has."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from chunk7.delivery.errors import UsageError
from chunk7.instruments.recordings import har, jsonl, sse, xrange
from chunk7.instruments.recordings.recording import Frames, RecordingFormat, Wanted

FORMATS: dict[str, RecordingFormat] = {
    name: cast(RecordingFormat, module)
    for name, module in (("har", har), ("xrange", xrange), ("sse", sse), ("jsonl", jsonl))
}
"""By name, in the order in which a file is tried for them."""

MAX_BYTES = 1 << 30
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that was read: its file, its format's name, its frames."""

    path: Path
    format: str
    content: Frames


def read_recording(path: Path, named: str | None, wanted: Wanted) -> Recording:
    """Read a file, gzip or not, of a format that is named, or else recognised.

    Raises UsageError, naming the file, for one that is missing, or not of the format.
    """
    data = file_bytes(path)
    name = named or next((name for name, one in FORMATS.items() if one.recognises(data)), None)
    if name is None:
        raise UsageError(
            f"{path}: of no known format: it begins with {data[:40]!r}; "
            f"--format is one of {', '.join(FORMATS)}"
        )
    if name not in FORMATS:
        raise UsageError(f"--format {name}: one of {', '.join(FORMATS)}")
    try:
        content = FORMATS[name].read(data, wanted)
    except UsageError as error:
        raise UsageError(f"{path} ({name}): {error}") from error
    if not content.frames:
        raise UsageError(f"{path} ({name}): has no frame")
    return Recording(path, name, content)


def file_bytes(path: Path) -> bytes:
    """A file's content, unpacked if it is gzip. Raises UsageError, naming it."""
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == _GZIP_MAGIC
            data = (gzip.GzipFile(fileobj=file) if packed else file).read(MAX_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{path}: damaged: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: more than {MAX_BYTES >> 20} MiB")
    return data
