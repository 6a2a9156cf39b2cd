"""What is explored (a cell), and everything that can differ between two moments of it (a state).

States are hashable values of small integers; two that are equal have the same futures.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import ClientModel
from chunk7.delivery.clients.resumes import Resumes
from chunk7.delivery.contract import Contract
from chunk7.delivery.following import Following
from chunk7.delivery.handover import Handover
from chunk7.delivery.life import ONE_BY_ONE, ProducerLife
from chunk7.delivery.node_channel import UNUSED, NodeChannel
from chunk7.delivery.ordering import ClientPolicy, ConnectOrdering, WriteOrdering
from chunk7.delivery.own_client import OwnClient
from chunk7.delivery.replica import Replica
from chunk7.faults import STRIKES
from chunk7.faults.fault import Forget, TrimTo
from chunk7.simulator.explore.schedule import Schedule, Step, terms_document

Value = TypeVar("Value")

SESSION = "session"
CHUNKS_A_MESSAGE = 2
"""Sessions hold several messages, so that confusing one with another shows."""


@dataclass(frozen=True, slots=True)
class ExploreCell:
    """One connect ordering against one write ordering.

    `chunks` are produced one after the other; `joiners` clients join the session at the same
    node, at any moment. Each of `faults` happens at most once in a schedule, at any moment, and one
    that is named n times n times.
    A client that loses its connection resumes after the last number up to which it has everything,
    as the shipped one does; without `resumes` it starts over, unless it fills gaps. `client`
    replaces the ordering's client policy. It says itself where it resumes, as does one of the
    ordering's own.
    `stream_max_entries` is the store's MAXLEN, None for no trimming. `early_beats` is how many
    heartbeats each client may get while the producer is still writing. In `company` the one client
    is among any number of others at its node (`chunk7.simulator.explore.company`). `life` is the
    producer's, `contract` what is due to clients. Nodes may use a `replica`: it does what the
    primary did, any time later. `hub` is how the session's channel begins at every node.
    """

    connect: ConnectOrdering
    write: WriteOrdering
    chunks: int = 3
    joiners: int = 1
    faults: tuple[str, ...] = ()
    client: ClientModel | None = None
    stream_max_entries: int | None = None
    early_beats: int = 1
    resumes: bool = True
    company: bool = False
    life: ProducerLife = ONE_BY_ONE
    replica: Replica | None = None
    contract: Contract = Contract.WHOLE
    hub: NodeChannel = UNUSED

    @property
    def ends(self) -> bool:
        """Whether the end is an event of its own, which clients are to learn."""
        return self.write.ending is not None

    def client_model(self) -> ClientModel:
        """The client's half of the connect ordering."""
        if self.client is not None:
            return self.client
        client = self.connect.client_model
        return Resumes(client) if self.resumes and self._clients_differ() else client

    @property
    def client_name(self) -> str | None:
        """How `client` was named, None where it was not."""
        return self.client.name if isinstance(self.client, OwnClient) else None

    def with_each_client(self) -> "tuple[ExploreCell, ...]":
        """The cell with clients that resume and, where that makes a difference, that start over."""
        return (self, replace(self, resumes=False)) if self._clients_differ() else (self,)

    def _clients_differ(self) -> bool:
        """Whether some fault makes clients join again that would not resume by their policy."""
        rejoin = any(STRIKES[name].rejoins_client for name in self.faults)
        shipped = self.client is None and isinstance(self.connect.client, ClientPolicy)
        return rejoin and shipped and not self.connect.client_model.asks


class Joiner(NamedTuple):
    """One client, and what its node does for it. Sets of chunk numbers are bit masks.

    `client` stands for the policy's memory, `wire` and `hearing` have frames: as `Reception` gives
    them out. What is before `hearing` is the node's, what is behind it the client's, which only
    its reception changes.
    """

    node: int = 0
    program: int = -1
    """Of its join, or while `recovering` of its node's recovery."""
    after_seq: int = 0
    handover: Handover | None = None
    has_history: bool = False
    following: Following | None = None
    recovering: bool = False
    wire: tuple[int, ...] = ()
    fetches: tuple[tuple[int, int], ...] = ()
    fetching: int = -1
    early_beats: int = 0
    final_beats: int = 0
    looked: int | None = None
    """The highest number that its node has read for it at a notice; None: it does not look."""
    poked: bool = False
    """A notice has come that its node has not looked after."""
    excused: int = 0
    """By the contract, or as it has left: what is not due to it."""
    gone: bool = False
    """It has left for good."""
    vouched: int = 0
    """What was begun when it was told that nothing is missing."""
    hearing: tuple[int, ...] = ()
    """Frames that it takes at the end of this very step: none between two."""
    client: int = 0
    received: int = 0
    shown: int = 0
    latest: int = 0
    duplicated: bool = False
    disordered: bool = False
    rewound: bool = False
    receipts: tuple[int, ...] = ()
    told: tuple[int, ...] = ()
    """What its reader was shown, by the chunks' ids in the world."""
    ended: bool = False
    short: int = 0
    """What had not been shown yet when it took the answer for over: told so, knowing no hole."""
    foreign: bool = False


class Stale(NamedTuple):
    """What a node's next read will see: this store, as it was while that chunk was written."""

    node: int
    store: int
    writing: int


class OpenWrite(NamedTuple):
    """A chunk's number, and a position in its write."""

    number: int
    position: int


Window = tuple[OpenWrite, ...]
"""A producer's writes under way, ascending, the last perhaps still to begin; empty at its end."""


class Replicated(NamedTuple):
    """A replica: its content, and what it has still to do.

    A producer's commands as (position, chunk, same ms), what became of keys as it is.
    `serves_pubsub`: nodes subscribe here, too.
    """

    store: int
    pending: tuple[tuple[int, int, bool] | Forget | TrimTo, ...]
    serves_pubsub: bool


class State(NamedTuple):
    """One moment. `writers` has a window a producer, zombies behind the others.

    `channels`: how the session's channel stands at each node (`chunk7.simulator.explore.channels`).
    `before` is the store before each of the last commands that changed keys, as many as a failover
    that may come can undo.
    """

    store: int
    writers: tuple[Window, ...]
    undetermined: int
    channels: tuple[int, ...]
    joiners: tuple[Joiner, ...]
    faults: tuple[str, ...]
    before: tuple[int, ...] = (0,)
    stale: Stale | None = None
    replica: Replicated | None = None
    started: bool = True
    """The producers may write: no join has to ask for it first, or one has."""
    deaf: tuple[int, ...] = ()
    """Nodes whose subscriptions count as confirmed and bring nothing."""

    @property
    def produced(self) -> bool:
        """Whether all producers have ended, and a replica has done all that they did."""
        return not any(self.writers) and not (self.replica and self.replica.pending)

    @property
    def read_store(self) -> int:
        """The content of the store that nodes read."""
        return self.store if self.replica is None else self.replica.store

    @property
    def heard_store(self) -> int:
        """That of the one that nodes subscribe to."""
        return self.read_store if self.replica and self.replica.serves_pubsub else self.store

    def hearing(self, store: int) -> "State":
        """The state with another content of the store that nodes subscribe to."""
        if self.replica and self.replica.serves_pubsub:
            return self._replace(replica=self.replica._replace(store=store))
        return self._replace(store=store)

    @property
    def writing(self) -> int | None:
        """The lowest chunk under way or to come; None at the end."""
        return min((window[0].number for window in self.writers if window), default=None)


def _replacing(kind: Any) -> Any:
    """Its `_replace`; that of `collections` walks through all fields for each new value."""
    places = {name: place for place, name in enumerate(kind._fields)}

    def replaced(self: Any, /, **changes: Any) -> Any:
        values = list(self)
        for name, value in changes.items():
            values[places[name]] = value
        return tuple.__new__(kind, values)

    return replaced


Joiner._replace = _replacing(Joiner)  # type: ignore[method-assign]
State._replace = _replacing(State)  # type: ignore[method-assign]

Move = tuple[Step, State]
"""Something that may happen next, and the state after it."""


@dataclass(frozen=True, slots=True)
class ScheduleOutcome:
    """How a complete schedule ended. Chunk numbers count from 1; one tuple a client.

    `receipts` is what each client received, as it came, and is empty when the world was not
    told to keep it. `lost` was never shown to the reader, though the producer knows that it
    wrote it. `duplicated`: some client received a chunk again. `disordered`: some chunk came first
    after a later one. `rewound`: some chunk, first or again, came right after a later one.
    `stuck` names the actors that wait for what can no longer happen. `unfinished` never learnt that
    the answer is over; `false_end`, `told_recovered` and `foreign` are the clients to whom that
    happened; all four are places of clients, counted from 1.
    """

    lost: tuple[tuple[int, ...], ...]
    duplicated: bool
    disordered: bool
    rewound: bool
    stuck: tuple[str, ...]
    receipts: tuple[tuple[int, ...], ...]
    unfinished: tuple[int, ...] = ()
    false_end: tuple[int, ...] = ()
    told_recovered: tuple[int, ...] = ()
    foreign: tuple[int, ...] = ()


def session_chunks(chunks: int) -> tuple[Chunk, ...]:
    """The session's chunks, in messages of CHUNKS_A_MESSAGE."""
    return tuple(
        Chunk(
            session_id=SESSION,
            message_id=f"m{number // CHUNKS_A_MESSAGE + 1}",
            index=number % CHUNKS_A_MESSAGE,
            text=f"chunk {number + 1} ",
            final=number % CHUNKS_A_MESSAGE == CHUNKS_A_MESSAGE - 1 or number == chunks - 1,
        )
        for number in range(chunks)
    )


def all_of(chunks: int) -> int:
    """The numbers of all chunks, as bits."""
    return (2 << chunks) - 2


def cell_document(cell: ExploreCell) -> dict[str, Any]:
    """Which cell it is, in JSON: the beginning of whatever is said of it."""
    return {
        "connect": cell.connect.name,
        "write": cell.write.name,
        "faults": list(cell.faults),
        "resumes": cell.resumes,
        **terms_document(cell.life, cell.replica, cell.client_name, cell.contract),
    }


def schedule_of(cell: ExploreCell, steps: tuple[Step, ...]) -> Schedule:
    """The steps as a schedule of the cell."""
    return Schedule(
        cell.connect.name,
        cell.write.name,
        cell.chunks,
        cell.joiners,
        cell.faults,
        steps,
        cell.resumes,
        cell.life,
        cell.replica,
        cell.client_name,
        cell.contract,
    )


def with_joiner(state: State, place: int, joiner: Joiner) -> State:
    """The state with another joiner in that place."""
    return state._replace(joiners=put(state.joiners, place, joiner))


def with_window(state: State, writer: int, window: Window) -> State:
    """The state with another window of that producer."""
    return state._replace(writers=put(state.writers, writer, window))


def put(values: tuple[Value, ...], place: int, value: Value) -> tuple[Value, ...]:
    """The values with another one in that place."""
    return (*values[:place], value, *values[place + 1 :])


def read_from(state: State, node: int) -> tuple[State, int]:
    """The content that the node's next read sees; the state in which it has been read."""
    if state.stale is None or state.stale.node != node:
        return state, state.read_store
    return state._replace(stale=None), state.stale.store
