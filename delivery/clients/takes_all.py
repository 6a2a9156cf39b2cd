"""Shows whatever comes, keeps nothing, asks for nothing, and starts over."""

from collections.abc import Hashable
from typing import Any

from chunk7.delivery.client import SeqRange, Taken
from chunk7.delivery.effects import Cursor
from chunk7.delivery.frames import Frame, chunks_in


class TakesAll:
    """Also what a policy of one's own may begin with."""

    asks = False
    reads_cursors = False

    def start(self) -> Hashable:
        return None

    def take(self, memory: Any, frame: Frame) -> Taken:
        return memory, chunks_in(frame)

    def ask(self, memory: Any) -> tuple[Hashable, SeqRange | None]:
        return memory, None

    def misses(self, memory: Any) -> bool:
        return False

    def resume_after(self, memory: Any) -> int | Cursor:
        return 0
