"""What a cell's producers have to write: the session's chunks, and with an ending the end."""

from functools import partial
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.simulator.explore.programs import Start
from chunk7.simulator.explore.state import ExploreCell, session_chunks


class SessionWrites:
    """The writes of a session, by the numbers of their chunks; the end's is the one after those."""

    def __init__(self, cell: ExploreCell) -> None:
        self._life = cell.life
        self._write = cell.write
        self._session = session_chunks(cell.chunks)
        self._numbers = {chunk: number for number, chunk in enumerate(self._session, 1)}
        self.end = cell.chunks + 1 if cell.write.ending is not None else None
        """The number of the end, None without one."""

    def lane(self, writer: int) -> tuple[int, ...]:
        """What a producer writes: its chunks, and the end if the last of all is its."""
        lane = tuple(self._life.lane(writer, len(self._session)))
        return (*lane, self.end) if self.end is not None and self.end - 1 in lane else lane

    def start(self, number: int) -> Start:
        """The beginning of a write."""
        if number == self.end and self._write.ending is not None:
            return partial(self._write.ending, self._session)
        return partial(self._write.steps, self._session[number - 1])

    def named(self, number: int, effect: Any) -> int | None:
        """Which chunk a step is about: the ending's are about the one they carry, or none."""
        if number != self.end:
            return number
        chunk = getattr(effect, "chunk", None)
        return self._numbers.get(chunk.numbered(0)) if isinstance(chunk, Chunk) else None
