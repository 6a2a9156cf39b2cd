"""Folders that a command writes into."""

from pathlib import Path

from chunk7.delivery.errors import UsageError


def make_empty(folder: Path) -> Path:
    """Make it, unless it is there and empty; it. Raises UsageError, which names --out."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"--out {folder}: exists and is not empty")
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror or error}") from error
    return folder
