"""What a mutant is: a fix that somebody could have shipped, and how chunk7 must see it fail."""

from dataclasses import dataclass

from chunk7.delivery.client import ClientModel
from chunk7.delivery.contract import Contract
from chunk7.delivery.life import ONE_BY_ONE, ProducerLife
from chunk7.delivery.node_channel import UNUSED, NodeChannel
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.delivery.replica import Replica
from chunk7.simulator.explore.schedule import Failure, Step
from chunk7.simulator.explore.state import ExploreCell


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken fix. `shortest` is its shortest failing schedule, which needs `chunks` chunks.

    `fails` is the failure to be seen, with 3 chunks and so many `joiners`. `sound` is the pair that
    it should have been, with a hub of ours, which does not fail so. `only`: no other fault makes it
    fail that the sound pair survives.
    """

    connect: ConnectOrdering
    write: WriteOrdering
    sound: tuple[ConnectOrdering, WriteOrdering]
    fails: Failure
    shortest: tuple[Step, ...]
    chunks: int = 1
    client: ClientModel | None = None
    stream_max_entries: int | None = None
    faults: tuple[str, ...] = ()
    life: ProducerLife = ONE_BY_ONE
    contract: Contract = Contract.WHOLE
    replica: Replica | None = None
    joiners: int = 1
    hub: NodeChannel = UNUSED
    only: bool = False

    def cell(self, chunks: int = 3) -> ExploreCell:
        """The cell to explore."""
        return ExploreCell(
            self.connect,
            self.write,
            chunks=chunks,
            faults=self.faults,
            client=self.client,
            stream_max_entries=self.stream_max_entries,
            life=self.life,
            contract=self.contract,
            replica=self.replica,
            joiners=self.joiners,
            hub=self.hub,
        )


def schedule(text: str) -> tuple[Step, ...]:
    """Steps written one a line, as `actor effect [chunk]`."""
    words = [line.split() for line in text.strip().splitlines()]
    return tuple(Step(actor, effect, *map(int, chunk)) for actor, effect, *chunk in words)
