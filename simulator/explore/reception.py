"""The clients' half of the rules: what one makes of the frames that it is sent."""

from dataclasses import replace

from chunk7.delivery.chunk import Chunk, End
from chunk7.delivery.contract import Contract
from chunk7.delivery.effects import Cursor
from chunk7.delivery.following import Entries
from chunk7.delivery.frames import EndFrame, Frame, LiveFrame, StoredFrame, chunks_in
from chunk7.simulator.explore.clients import ClientMemories
from chunk7.simulator.explore.state import ExploreCell, Joiner, all_of, session_chunks

_FOREIGN = 1
"""Among the bits of what was shown: no chunk of the session has the number 0."""


class Reception:
    """What the clients of a cell receive. `wires`, `receipts` and `readers` as for `World`.

    States have chunks and frames as small numbers.
    """

    def __init__(
        self, cell: ExploreCell, wires: bool, receipts: bool, readers: bool = False
    ) -> None:
        self.client = ClientMemories(cell.client_model())
        self._wires = wires
        self._receipts = receipts
        self._readers = readers
        self._all = all_of(cell.chunks)
        self._barred = self._all if cell.contract is Contract.FROM_MESSAGE else 0
        session = session_chunks(cell.chunks)
        self._session_numbers = {chunk: number for number, chunk in enumerate(session, 1)}
        self._chunks: list[Chunk] = []
        self._numbers: list[int | None] = []
        self._chunk_ids: dict[Chunk, int] = {}
        self._frames: list[Frame] = []
        self._contents: list[tuple[int, ...]] = []
        self._frame_ids: dict[Frame, int] = {}
        self._live_ids: dict[tuple[int, Cursor | None], int] = {}
        self._taken: dict[tuple[int, int], tuple[int, int, tuple[int, ...]]] = {}

    def seq(self, chunk_id: int) -> int:
        """The sequence number that the chunk bears."""
        return self._chunks[chunk_id].seq

    def chunk(self, chunk_id: int) -> Chunk:
        """The chunk itself."""
        return self._chunks[chunk_id]

    def number(self, chunk_id: int) -> int | None:
        """Which chunk of the session it is, counted from 1; None for one that is none of them."""
        return self._numbers[chunk_id]

    def numbers_of(self, chunks: tuple[Chunk, ...]) -> tuple[int, ...]:
        """The chunks' numbers in the session."""
        found = (self._numbers[self.chunk_id(chunk)] for chunk in chunks)
        return tuple(number for number in found if number is not None)

    def chunk_id(self, chunk: Chunk) -> int:
        """The chunk as a small number of this exploration."""
        known = self._chunk_ids.get(chunk)
        if known is None:
            known = self._chunk_ids[chunk] = len(self._chunks)
            self._chunks.append(chunk)
            self._numbers.append(self._session_numbers.get(chunk.numbered(0)))
        return known

    def send(self, joiner: Joiner, frame: Frame) -> Joiner:
        """The node writes a frame; who does not look at cursors gets none."""
        if isinstance(frame, StoredFrame) and frame.cursor and not self.client.reads_cursors:
            frame = replace(frame, cursor=None)
        return self._write(joiner, self._frame_id(frame))

    def send_stored(
        self, joiner: Joiner, chunks: tuple[Chunk, ...], cursor: Cursor | None
    ) -> Joiner:
        """The node writes what it has read; an end among it has a frame of its own, behind it."""
        ends = [chunk for chunk in chunks if type(chunk) is End]
        if not ends:
            return self.send(joiner, StoredFrame(chunks, cursor))
        whole = StoredFrame(tuple(chunk for chunk in chunks if type(chunk) is not End), cursor)
        return self.send(self.send(joiner, whole), EndFrame(ends[-1].seq))

    def send_live(self, joiner: Joiner, chunk_id: int, cursor: Cursor | None = None) -> Joiner:
        """The same for a live chunk, and its cursor if the node knows one."""
        cursor = cursor if self.client.reads_cursors else None
        known = self._live_ids.get((chunk_id, cursor))
        if known is None:
            chunk = self._chunks[chunk_id]
            over = type(chunk) is End
            frame = self._frame_id(EndFrame(chunk.seq) if over else LiveFrame(chunk, cursor))
            known = self._live_ids[chunk_id, cursor] = frame
        return self._write(joiner, known)

    def send_entries(self, joiner: Joiner, entries: Entries) -> Joiner:
        """The node writes a stream's entries, by the ids of their chunks, with their cursors."""
        for entry, chunk_id in entries:
            joiner = self.send_live(joiner, chunk_id, entry)
        return joiner

    def _write(self, joiner: Joiner, frame: int) -> Joiner:
        if self._wires:
            return joiner._replace(wire=(*joiner.wire, frame))
        return joiner._replace(hearing=(*joiner.hearing, frame))

    def _frame_id(self, frame: Frame) -> int:
        known = self._frame_ids.get(frame)
        if known is None:
            known = self._frame_ids[frame] = len(self._frames)
            self._frames.append(frame)
            self._contents.append(self.numbers_of(chunks_in(frame)))
        return known

    def hear(self, joiner: Joiner) -> Joiner:
        """The client takes the frames that have come, one after the other."""
        frames, joiner = joiner.hearing, joiner._replace(hearing=())
        for frame in frames:
            joiner = self._hear(joiner, frame)
        return joiner

    def _hear(self, joiner: Joiner, frame: int) -> Joiner:
        """It takes one, by its number, and asks for what it then knows is missing."""
        memory, bits, shown = self._take(joiner.client, frame)
        kind = type(self._frames[frame])
        has_history = joiner.has_history or kind is StoredFrame
        fetches = joiner.fetches
        if has_history:
            memory, wanted = self.client.ask(memory)
            fetches = fetches if wanted is None else (*fetches, wanted)
        joiner = joiner._replace(
            client=memory, shown=joiner.shown | bits, has_history=has_history, fetches=fetches
        )
        if joiner.ended or kind is EndFrame:
            joiner = self._believe(joiner)
        if bits & (joiner.excused & self._barred | _FOREIGN):
            joiner = joiner._replace(foreign=True)
        if self._readers and shown:
            joiner = joiner._replace(told=(*joiner.told, *shown))
        for number in self._contents[frame]:
            joiner = self._receive(joiner, number)
        return joiner

    def _believe(self, joiner: Joiner) -> Joiner:
        """A client that was told the end takes the answer for whole, unless it knows of a hole."""
        if self.client.misses(joiner.client):
            return joiner._replace(ended=True)
        short = joiner.short | self._all & ~joiner.shown & ~joiner.excused
        return joiner._replace(ended=True, short=short)

    def _take(self, memory: int, frame: int) -> tuple[int, int, tuple[int, ...]]:
        """The client's memory after the frame, and what it showed: bits of numbers, chunk ids."""
        known = self._taken.get((memory, frame))
        if known is None:
            after, shown = self.client.take(memory, self._frames[frame])
            ids = tuple(map(self.chunk_id, shown))
            numbers = {self._numbers[chunk_id] for chunk_id in ids}
            bits = sum(_FOREIGN if number is None else 1 << number for number in numbers)
            known = self._taken[memory, frame] = after, bits, ids
        return known

    def _receive(self, joiner: Joiner, number: int) -> Joiner:
        """A chunk of the session: one that is none of it, or altered, is as good as not sent."""
        bit = 1 << number
        again = bool(joiner.received & bit)
        return joiner._replace(
            received=joiner.received | bit,
            latest=max(joiner.latest, number),
            duplicated=joiner.duplicated or again,
            disordered=joiner.disordered or (not again and number < joiner.latest),
            rewound=joiner.rewound or number < joiner.latest,  # before the first, latest is last
            receipts=(*joiner.receipts, number) if self._receipts else (),
        )
