"""Files that are there whole or not at all, whatever happens while they are written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chunk7.delivery.errors import WriteError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what is to be `path`: beside it, and renamed once the block is left.

    A reader sees the file from before or the new one. Raises WriteError, which names `path` and
    leaves nothing behind, when the disk is full or the folder takes none.
    """
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        with written(path):
            yield partial
            partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def written(path: Path) -> Iterator[None]:
    """While this file is being written; raises WriteError, which names it, for an OSError."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{path}: cannot be written: {reason(error)}") from error


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file, text as UTF-8. Raises WriteError as `whole_file`."""
    with whole_file(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def reason(error: OSError) -> str:
    """Why, in the system's words: what others put around them names their own functions."""
    known = error.errno and os.strerror(error.errno)
    return known or str(error).strip().split("\n")[0]
