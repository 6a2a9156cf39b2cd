"""A record file that is being written: its head, then batch after batch, then its end mark."""

import contextlib
from pathlib import Path

from chunk7.wire.record_messages import END_MARK, Message, sealed


class RecordFile:
    """A new file at `path`, which must not be there; `head` is the message of its schema.

    Nothing is buffered here, and a message that does not fit on the disk is taken back, so that
    whatever comes after it begins where the last whole one ends. Every method raises OSError.
    """

    def __init__(self, path: Path, head: Message) -> None:
        self._path = path
        self._file = path.open("xb", buffering=0)
        self._end = 0
        try:
            self._write(sealed(head))
        except OSError:
            self._file.close()
            path.unlink()
            raise

    def append(self, batch: Message) -> None:
        """Write the message of one batch and hand it to the system."""
        self._write(sealed(batch))

    def close(self, complete: bool) -> None:
        """Close it, with the end mark if nothing is missing from it."""
        try:
            if complete:
                self._write(END_MARK)
        finally:
            self._file.close()

    def _write(self, message: bytes) -> None:
        left = memoryview(message)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
                self._file.seek(self._end)
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._end += len(message)
