"""Errors that nobody foresaw, and what the system would not give, as one line."""

import contextlib
import traceback
from pathlib import Path

from chunk7.delivery.errors import Chunk7Error
from chunk7.wire.shortage import shortage


def as_line(error: Exception, folder: Path) -> Chunk7Error:
    """What to say of an error that was just caught. One that nobody foresaw leaves its trace in a
    log of the run folder, if it can.
    """
    lacking = shortage(error)
    if lacking is not None:
        return Chunk7Error(lacking)
    log, where = folder / "logs" / "chunk7.log", ""
    with contextlib.suppress(OSError):
        log.write_text(traceback.format_exc())
        where = f"; its trace is in {log}"
    return Chunk7Error(f"unexpected {type(error).__name__}: {error}{where}")
