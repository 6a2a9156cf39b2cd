"""Keeps the id of the last stream entry it was given, and resumes after it: SSE's Last-Event-ID."""

from collections.abc import Callable, Hashable
from typing import Any

from chunk7.delivery.client import Taken
from chunk7.delivery.clients.takes_all import TakesAll
from chunk7.delivery.cursor import entry_id
from chunk7.delivery.effects import BEGINNING, Cursor
from chunk7.delivery.frames import Frame, LiveFrame, StoredFrame, chunks_in


class KeepsLastId(TakesAll):
    """Takes what is not `newer` than the last id for old, and leaves it out.

    Ids have parts that are numbers. Frames without an id are shown, and cannot be resumed after.
    """

    reads_cursors = True

    def __init__(
        self,
        newer: Callable[[Cursor, Cursor], bool] = lambda one, other: (
            entry_id(one) > entry_id(other)
        ),
    ) -> None:
        self._newer = newer

    def start(self) -> Hashable:
        return BEGINNING

    def take(self, memory: Any, frame: Frame) -> Taken:
        if not isinstance(frame, StoredFrame | LiveFrame) or frame.cursor is None:
            return memory, chunks_in(frame)
        if not self._newer(frame.cursor, memory):
            return memory, ()
        return frame.cursor, chunks_in(frame)

    def resume_after(self, memory: Any) -> Cursor:
        return str(memory)
