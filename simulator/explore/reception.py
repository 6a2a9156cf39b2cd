"""The clients' half of the rules: what one makes of the frames that it is sent."""

from chunk7.delivery.chunk import Chunk
from chunk7.simulator.explore.state import ExploreCell, Frame, History, Joiner, session_chunks


class Reception:
    """What the clients of a cell receive. `wires` and `receipts` as for `World`.

    Frames have chunks as small numbers: `chunk_id` gives them out.
    """

    def __init__(self, cell: ExploreCell, wires: bool, receipts: bool) -> None:
        self.client = cell.client_model()
        self._wires = wires
        self._receipts = receipts
        session = session_chunks(cell.chunks)
        self._session_numbers = {chunk: number for number, chunk in enumerate(session, 1)}
        self._chunks: list[Chunk] = []
        self._numbers: list[int | None] = []
        self._chunk_ids: dict[Chunk, int] = {}

    def seq(self, chunk_id: int) -> int:
        """The sequence number that the chunk bears."""
        return self._chunks[chunk_id].seq

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
        """The node writes a frame."""
        if self._wires:
            return joiner._replace(wire=(*joiner.wire, frame))
        return self.hear(joiner, frame)

    def hear(self, joiner: Joiner, frame: Frame) -> Joiner:
        """The client takes a frame, and asks for what it then knows to be missing."""
        model = self.client
        if isinstance(frame, int):
            joiner = joiner._replace(client=model.learn_head(joiner.client, frame))
        elif isinstance(frame, History):
            for chunk_id in frame.chunks:
                joiner = self._receive(joiner, chunk_id)
            if not joiner.has_history:
                joiner = joiner._replace(has_history=True)
        else:
            joiner = self._receive(joiner, frame[0])
        if not joiner.has_history:
            return joiner
        memory, wanted = model.ask(joiner.client)
        fetches = joiner.fetches if wanted is None else (*joiner.fetches, wanted)
        return joiner._replace(client=memory, fetches=fetches)

    def _receive(self, joiner: Joiner, chunk_id: int) -> Joiner:
        memory, shown = self.client.take(joiner.client, self._chunks[chunk_id])
        number = self._numbers[chunk_id]
        if number is None:  # not a chunk of the session, or altered: as good as not received
            return joiner._replace(client=memory)
        bit = 1 << number
        again = bool(joiner.received & bit)
        return joiner._replace(
            client=memory,
            received=joiner.received | bit,
            shown=joiner.shown | bit if shown else joiner.shown,
            latest=max(joiner.latest, number),
            duplicated=joiner.duplicated or again,
            disordered=joiner.disordered or (not again and number < joiner.latest),
            rewound=joiner.rewound or number < joiner.latest,  # before the first, latest is last
            receipts=(*joiner.receipts, number) if self._receipts else (),
        )
