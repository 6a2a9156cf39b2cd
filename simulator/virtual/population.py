"""Who joins what, where and when, and every random number a connection meets.

Connections are numbered and come in blocks of about `BLOCK`. All of a block is drawn at once and
from its own generators, keyed by (seed, purpose, block, draw): both engines, every ordering and
every later run with the same settings meet the same numbers, and memory does not grow with the
number of connections. (Bit for bit with the same version of numpy, whose generators may change, and
on the same kind of processor: vector units round a logarithm's last digit in ways of their own.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from chunk7.simulator.virtual.distributions import Distribution, Durations
from chunk7.simulator.virtual.settings import JoinSpread, SimulationSettings

BLOCK = 65_536

SLOTS = 64
"""A join that needs more durations of a kind than this meets its first ones again."""

MAX_BEATS = 1_000
"""A client that fills gaps gives up after this many heartbeats without an answer."""

Integers = NDArray[np.int64]


class Purpose(IntEnum):
    """What a generator is for: one key, one stream of numbers."""

    JOIN = 0
    GROUP = 1
    STORE_LATENCY = 2
    NODE_WORK = 3
    CHUNKS = 4
    WRITE_LATENCY = 5
    SAVE_LAG = 6
    DELIVERY = 7
    FAULT = 8
    SPARE = 9


def generator(seed: int, *key: int) -> np.random.Generator:
    """The generator of this seed and key."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive connections. All arrays have shape (count,).

    `group` is the answer occurrence a connection watches; occurrence g is a replay of session
    g % sessions in wave g // sessions. The connections of an occurrence are next to each other, and
    so are the occurrences of a session. `join_ms` counts from the start of the wave. `node`
    is the proxy's choice: round robin in the order of arrival, within the block.
    """

    number: int
    group: Integers
    session: Integers
    node: Integers
    join_ms: Durations

    @property
    def count(self) -> int:
        """How many connections."""
        return len(self.join_ms)


def blocks(settings: SimulationSettings) -> Iterator[Block]:
    """All connections of a simulation, block by block."""
    answers = max(1, BLOCK // settings.watchers)
    size = answers * settings.watchers
    for number, first in enumerate(range(0, settings.connections, size)):
        count = min(size, settings.connections - first)
        yield _block(settings, number, number * answers, answers, count)


def _block(
    settings: SimulationSettings, number: int, first: int, answers: int, count: int
) -> Block:
    join_ms = generator(settings.seed, Purpose.JOIN, number).uniform(0, settings.wave_ms, count)
    offset = first % settings.sessions
    if settings.joins is JoinSpread.UNIFORM:
        group, session = _uniform(offset, count, settings.watchers, settings.sessions)
        group = group + first
    else:
        used = min(answers, -(-count // settings.watchers))
        order = _by_session(offset, used, settings.sessions)
        rng = generator(settings.seed, Purpose.GROUP, number)
        group = first + order[np.sort(rng.integers(0, len(order), count))]
        session = group % settings.sessions
    return Block(number, group, session, _nodes(settings, group, join_ms), join_ms)


@lru_cache(maxsize=2)
def _uniform(offset: int, count: int, watchers: int, sessions: int) -> tuple[Integers, Integers]:
    """(occurrence, session) of each connection: the same for nearly every block, so kept."""
    answers = -(-count // watchers)
    order = _by_session(offset, answers, sessions)
    sizes = np.full(answers, watchers)
    sizes[-1] -= answers * watchers - count
    group = np.repeat(order, sizes[order])
    session = (group + offset) % sessions
    for kept in (group, session):
        kept.flags.writeable = False
    return group, session


def _by_session(offset: int, count: int, sessions: int) -> Integers:
    """The occurrences 0..count, those of one session next to each other: looking in one session's
    instants at a time is quicker. The first is of session `offset`."""
    rows = -(-(count + offset) // sessions)
    order = np.arange(rows * sessions).reshape(rows, sessions).T.ravel() - offset
    found: Integers = order[(order >= 0) & (order < count)]
    return found


def _nodes(settings: SimulationSettings, groups: Integers, join_ms: Durations) -> Integers:
    """The node is without effect unless clients share it or it can fail."""
    node = np.zeros(len(groups), dtype=np.int64)
    if settings.nodes > 1 and (settings.faults or not settings.alone):
        arrived = np.lexsort((join_ms, groups // settings.sessions))
        node[arrived] = np.arange(len(groups)) % settings.nodes
    return node


class Draws:
    """A block's durations: the j-th store latency and the j-th node work of each connection."""

    def __init__(self, settings: SimulationSettings, block: Block) -> None:
        self._settings = settings
        self._block = block

    def latency(self, number: int) -> Durations:
        """Shape (count,): the `number`-th one-way store latency."""
        return self._draw(self._settings.store_latency, Purpose.STORE_LATENCY, number)

    def work(self, number: int) -> Durations:
        """Shape (count,): the `number`-th pause."""
        return self._draw(self._settings.node_work, Purpose.NODE_WORK, number)

    def _draw(self, distribution: Distribution, purpose: Purpose, number: int) -> Durations:
        rng = generator(self._settings.seed, purpose, self._block.number, number)
        return distribution.draw(rng, self._block.count)
