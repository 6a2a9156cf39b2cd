"""Folders that a command writes into."""

import os
from pathlib import Path

from chunk7.delivery.errors import UsageError
from chunk7.wire.whole_files import reason


def make_folder(folder: Path) -> Path:
    """Make it, unless it is there; it. Raises UsageError, which names --out, where that fails or
    nothing can be written into it: now rather than after all the work.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {reason(error)}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--out {folder}: nothing can be written into it")
    return folder


def make_empty(folder: Path) -> Path:
    """As `make_folder`, but what is there must be empty."""
    make_folder(folder)
    try:
        if any(folder.iterdir()):
            raise UsageError(f"--out {folder}: exists and is not empty")
    except OSError as error:
        raise UsageError(f"--out {folder}: {reason(error)}") from error
    return folder
