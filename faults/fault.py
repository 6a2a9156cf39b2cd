"""What a fault is, and the few things that one can do to a system.

A fault says when it may strike and what that means; it does nothing by itself. Every driver carries
the consequences out in its own way: the explorer on its states, the reproducer on a real store.

A fault has a `name` and one or more abilities, each a small protocol:

    Strikes   it may happen at any moment of a schedule     explore, reproduce
    StrikesOthers  the same, and changes nothing for one client alone
    Spells    it comes and goes at random moments           simulate

What only takes time has no schedules: `same_as.py` says which other fault's it has instead.

A consequence that is none of those below is a new class here and a case in each driver.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from chunk7.delivery.store import Key

MAX_STRIKES = 3
"""How often one fault may strike in a schedule; each time more multiplies the schedules."""


MAX_ROLL_BACK = 3
"""How many commands a failover may undo at most."""


class ClientView(NamedTuple):
    """What a fault can see of one client. Nodes count from 0."""

    node: int
    begun: bool
    """The node has taken the first step of its connect ordering."""
    joined: bool
    """The node has taken the last."""
    listening: bool
    """It is attached to the node's subscription, whether or not the store has executed that."""


class WriteView(NamedTuple):
    """What a fault can see of a write whose next command may be executed now.

    `writer` is whose it is, `producer` the name as an actor; `chunk` is counted from 1.
    """

    writer: int
    producer: str
    chunk: int
    may_share_ms: bool = False
    """The command appends to a stream, and may fall into the millisecond of the entry before."""
    zombie: bool = False
    """The writer has been replaced already."""


class Situation(NamedTuple):
    """What a fault can see: the clients in their order, and the writes under way or to come.

    `writes` is empty once all is written; at most one of a producer unless its writes overlap.
    """

    clients: tuple[ClientView, ...]
    writes: tuple[WriteView, ...]


@dataclass(frozen=True, slots=True)
class Rejoin:
    """A client, counted from 0, loses its connection and joins again at a node."""

    client: int
    node: int


@dataclass(frozen=True, slots=True)
class Leave:
    """A client, counted from 0, goes and does not come back: nothing is due to it any more."""

    client: int


@dataclass(frozen=True, slots=True)
class DropNext:
    """The oldest of what is on its way to a node is gone; nothing if there is none."""

    node: int


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A node's Pub/Sub connection ends, and what was on its way to the node is gone.

    With `resubscribes` the node sends SUBSCRIBE again, which the store has yet to execute.
    """

    node: int
    resubscribes: bool = False


@dataclass(frozen=True, slots=True)
class Deafen:
    """A node's subscription ends, with what was on its way, and the node does not notice.

    It counts as confirmed where it was, until the node sends SUBSCRIBE again; `for_ever` the next
    one counts as confirmed as well, and brings nothing.
    """

    node: int
    for_ever: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """The store has lost the session: history, stream and counter are gone, or one of them."""

    key: Key | None = None
    """None: all three."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """History, stream and counter are as they were before the last commands that changed them.

    `commands` is at most MAX_ROLL_BACK; if there were fewer, all are undone. With `clock_behind`
    the store's clock is as it was, too.
    """

    commands: int = 1
    clock_behind: bool = False


@dataclass(frozen=True, slots=True)
class Lag:
    """The node's next read, of a join or a fetch, is answered as of now.

    Unless more than `most_chunks` have been written by then: so far a replica is not behind. None
    is no bound.
    """

    node: int
    most_chunks: int | None = 1

    def since(self, writing: int, chunks: int) -> int:
        """The chunk under way when the read has one more to come, of a session of so many."""
        return chunks if self.most_chunks is None else writing + self.most_chunks - 1


@dataclass(frozen=True, slots=True)
class TrimTo:
    """Only the newest `max_entries` of history and stream stay."""

    max_entries: int


@dataclass(frozen=True, slots=True)
class LoseReply:
    """A producer hears no reply to its command for the chunk, executed or not.

    It gives the chunk up, or tries again: as its life says (`chunk7.delivery.life`). `same_ms`: it
    was executed in the millisecond of the entry before.
    """

    writer: int
    chunk: int
    executed: bool
    same_ms: bool = False


@dataclass(frozen=True, slots=True)
class Die:
    """A producer ends, and no other begins. Nobody knows what became of its writes under way."""

    writer: int


@dataclass(frozen=True, slots=True)
class StartOver:
    """Another producer takes its place and begins with its first chunk.

    As a `zombie` the old one still does what it has under way, but begins nothing more.
    """

    writer: int
    zombie: bool = False


Consequence = (
    Rejoin
    | Leave
    | DropNext
    | Disconnect
    | Deafen
    | Forget
    | RollBack
    | Lag
    | TrimTo
    | LoseReply
    | Die
    | StartOver
)


class Strike(NamedTuple):
    """One way to strike now: a step of a schedule, and what comes of it, in order."""

    actor: str
    effect: str
    chunk: int | None
    consequences: tuple[Consequence, ...]


class Wording(NamedTuple):
    """A step's meaning in a sentence, and the words of a drawing; {chunk} is filled in."""

    meaning: str
    drawn: str


class Fault(Protocol):
    """One kind of trouble; it has at least one of the abilities below."""

    @property
    def name(self) -> str:
        """In options, schedules and tables."""


@runtime_checkable
class Strikes(Fault, Protocol):
    """It may happen at any moment of a schedule."""

    @property
    def effects(self) -> Mapping[str, Wording]:
        """The steps that `strikes` yields, by their effect."""

    @property
    def moves_client(self) -> bool:
        """Whether clients go to the next node, which then has to exist."""

    @property
    def rejoins_client(self) -> bool:
        """Whether clients have to join again, there or where they are."""

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Every way in which it can strike now; drivers leave out what would change nothing."""


@runtime_checkable
class StrikesOthers(Strikes, Protocol):
    """A client leaves for good, which only those who stay can feel: it takes two.

    Subscriptions end, so UNSUBSCRIBE is sent, and each confirmation is an event of its own.
    """

    @property
    def leaves_client(self) -> bool:
        """Always true."""


def nodes_of(situation: Situation) -> list[int]:
    """The nodes that have begun to serve somebody, ascending."""
    return sorted({client.node for client in situation.clients if client.begun})


def producers_of(situation: Situation) -> list[tuple[int, str]]:
    """Those that still have something to write, by number and name; zombies are none."""
    found = {write.writer: write.producer for write in situation.writes if not write.zombie}
    return sorted(found.items())


def abandoned(situation: Situation, node: int) -> tuple[Consequence, ...]:
    """The node is gone: all who are there, or were coming, join at the next one."""
    rejoins = (
        Rejoin(place, node + 1)
        for place, client in enumerate(situation.clients)
        if client.node == node
    )
    return (*rejoins, Disconnect(node))


def cut_off(situation: Situation, node: int) -> tuple[Consequence, ...]:
    """The node loses its store connections; nothing where nobody joins or listens.

    Joins under way fail, and their clients join again; for the others the node subscribes again.
    """
    here = {p: client for p, client in enumerate(situation.clients) if client.node == node}
    joining = [place for place, client in here.items() if client.begun and not client.joined]
    listening = any(c.listening for place, c in here.items() if place not in joining)
    if not joining and not listening:
        return ()
    return (*(Rejoin(place, node) for place in joining), Disconnect(node, resubscribes=listening))


def all_cut_off(situation: Situation) -> tuple[Consequence, ...]:
    """Every node loses its store connections."""
    nodes = sorted({client.node for client in situation.clients})
    return tuple(one for node in nodes for one in cut_off(situation, node))


class Outage(StrEnum):
    """What a node is without during a spell."""

    NODE = "node"
    """Itself: its clients join again elsewhere."""
    SUBSCRIPTION = "subscription"
    """Its Pub/Sub connection; at the end it subscribes to every channel again."""


@runtime_checkable
class Spells(Fault, Protocol):
    """It comes to a node at random moments and stays for a while."""

    @property
    def outage(self) -> Outage:
        """What the node is without."""
