"""A client's policy as an automaton: where it is, is a small integer that stands for its memory.

What it makes of a frame is asked of it once for every memory, not once a visit.
"""

from collections.abc import Hashable

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import ClientModel, SeqRange
from chunk7.delivery.effects import Cursor
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.frames import Frame

MAX_MEMORIES = 200_000
"""A shipped policy has some hundreds, in the widest cells."""


class ClientMemories:
    """Every memory of a policy that an exploration has come to.

    Raises OrderingError for one whose memories never end.
    """

    def __init__(self, model: ClientModel) -> None:
        self.asks = model.asks
        self.reads_cursors = model.reads_cursors
        self._model = model
        self._memories: list[Hashable] = []
        self._numbers: dict[Hashable, int] = {}
        self._asked: dict[int, tuple[int, SeqRange | None]] = {}
        self._misses: dict[int, bool] = {}

    def start(self) -> int:
        """The memory of one that has received nothing."""
        return self._number(self._model.start())

    def take(self, memory: int, frame: Frame) -> tuple[int, tuple[Chunk, ...]]:
        """A frame came; the memory then, and what was shown. Not remembered here."""
        after, shown = self._model.take(self._memories[memory], frame)
        return self._number(after), shown

    def ask(self, memory: int) -> tuple[int, SeqRange | None]:
        """What it wants to fetch now."""
        known = self._asked.get(memory)
        if known is None:
            after, wanted = self._model.ask(self._memories[memory])
            known = self._asked[memory] = self._number(after), wanted
        return known

    def misses(self, memory: int) -> bool:
        """Whether it knows of a hole."""
        known = self._misses.get(memory)
        if known is None:
            known = self._misses[memory] = self._model.misses(self._memories[memory])
        return known

    def resume_after(self, memory: int) -> int | Cursor:
        """Where it joins again."""
        return self._model.resume_after(self._memories[memory])

    def _number(self, memory: Hashable) -> int:
        number = self._numbers.get(memory)
        if number is None:
            number = self._numbers[memory] = len(self._memories)
            self._memories.append(memory)
            if number == MAX_MEMORIES:
                raise OrderingError(f"the client has had {MAX_MEMORIES:,} memories: no end is seen")
        return number
