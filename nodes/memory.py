"""What the process takes in memory: a reading that must not end a node, whatever is short."""

import contextlib

import psutil


class MemoryReading:
    """Reading opens a file; while none is to be had, the newest reading stands."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._rss_bytes: int = self._process.memory_info().rss

    def rss_bytes(self) -> int:
        """The resident set, in bytes."""
        with contextlib.suppress(OSError):
            self._rss_bytes = self._process.memory_info().rss
        return self._rss_bytes
