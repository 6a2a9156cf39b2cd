"""A state in parts: what all share, and each client; of that, what its node does and what it heard.

A part is a small number. An event reads and changes few of them, so most states are a new meeting
of parts that have met others before: `parted_world` makes the rules fast by that.
"""

from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeVar

from chunk7.simulator.explore.state import Joiner, State

Value = TypeVar("Value", bound=Hashable)

Parts = tuple[int, ...]
"""What all share, then a number a client."""

_HEARING = Joiner._fields.index("hearing")
"""Fields before it are what a node does for its client, those behind it what the client has heard.

Nothing else of a client reads or changes those; but of `client` a node asks whether it misses
anything, and at a new connection where it resumes."""


class Numbers(Generic[Value]):
    """Values as small numbers, in the order in which they came; from 0 on the given ones."""

    def __init__(self, *values: Value) -> None:
        known: list[Value] = []
        self.of: Callable[[Value], int] = _Counted(known).__getitem__
        """The value's number."""
        self.value: Callable[[int], Value] = known.__getitem__
        """That of a number."""
        for value in values:
            self.of(value)


class _Counted(dict[Value, int]):
    """Gives what it is asked for first the next number. What is known is found without our code."""

    def __init__(self, known: list[Value]) -> None:
        self._known = known

    def __missing__(self, value: Value) -> int:
        number = self[value] = len(self._known)
        self._known.append(value)
        return number


class Heard(NamedTuple):
    """What a client takes at the end of a step, and what more decides what it makes of it."""

    frames: tuple[int, ...]
    excused: int
    has_history: bool


class Left(NamedTuple):
    """What its hearing leaves to its node: what it asks for, and that it has the history."""

    fetches: tuple[tuple[int, int], ...]
    has_history: bool


class PartNumbers:
    """The parts that an exploration has come to. Nodes and readers 0 are those of nobody."""

    def __init__(self) -> None:
        self.shared = Numbers[State]()
        self.clients = Numbers[tuple[int, int]]()
        self.nodes = Numbers[tuple[Any, ...]](Joiner()[:_HEARING])
        self.readers = Numbers[tuple[Any, ...]](Joiner()[_HEARING + 1 :])

    def split(self, state: State) -> Parts:
        """A state between two steps, in parts."""
        clients = ((self.node(joiner), self.reader(joiner)) for joiner in state.joiners)
        return (self.share(state), *map(self.clients.of, clients))

    def share(self, state: State) -> int:
        """What is not of the clients."""
        return self.shared.of(state._replace(joiners=()))

    def node(self, joiner: Joiner) -> int:
        """What the node does for the client; what it is about to hear is no part."""
        return self.nodes.of(joiner[:_HEARING])

    def reader(self, joiner: Joiner) -> int:
        """What the client has heard."""
        return self.readers.of(joiner[_HEARING + 1 :])

    def joiner(self, node: int = 0, reader: int = 0) -> Joiner:
        """A client, put together."""
        return tuple.__new__(Joiner, (*self.nodes.value(node), (), *self.readers.value(reader)))

    def state(self, parts: Parts) -> State:
        """A state, put together."""
        joiners = tuple(self.joiner(*self.clients.value(client)) for client in parts[1:])
        return self.shared.value(parts[0])._replace(joiners=joiners)


def canonical(parts: Parts) -> Parts:
    """The state, with clients in an order of their own: swapped, they have the same futures.

    C. Ip and D. Dill, "Better verification through symmetry", 1996.
    """
    return (parts[0], *sorted(parts[1:]))
