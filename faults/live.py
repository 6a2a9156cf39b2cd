"""What a fault does to a cluster that runs, whatever that is made of.

A fault that `StrikesLive` says how it is asked for. The load test's own users carry it out, unless
it is `Conducted`: then it says in `live` how it strikes, in terms of `Controls`, which each kind of
deployment has: local processes, containers. It is a generator: what comes before its first yield
does the harm, the yield names whom it hit, and what comes after `for_ms` makes it good again. When
the load test is over meanwhile it goes on at once; and at each further yield, where a fault that
strikes one part after the other has nothing to make good, it is left. A run that ends leaves all of
that out: everything is stopped anyway.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from chunk7.delivery.errors import Chunk7Error
from chunk7.faults.fault import Fault
from chunk7.wire.parameters import Parameter
from chunk7.wire.plan import Timetable

Value = float | str
PAGE, MOST_PAGES = 1_000, 10_000
"""Of a walk through all keys: keys a look, and looks."""


@dataclass(frozen=True, slots=True)
class WordChoice:
    """A setting that is one of some words; the first unless another is given."""

    words: tuple[str, ...]
    what: str


Setting = Parameter | WordChoice


class Need(StrEnum):
    """What a deployment must have for a fault, beyond nodes, proxy and producer."""

    STORE = "store"
    """A store that chunk7 itself has started."""
    DELAY = "delay"
    """A delay before the store that can be set."""
    LINK = "link"
    """A passage to the store that can be cut and tampered with, node by node."""
    REPLICA = "replica"
    """A replica of the store."""


class Controls(Protocol):
    """What can be done to a deployment while it runs. Parts go by their names.

    Every method raises Chunk7Error when it could not be done; none waits for ever.
    """

    timetable: Timetable | None
    """The producer's, for one that is started again."""

    @property
    def nodes(self) -> Sequence[str]:
        """The nodes' names of this moment: one that was started again has another."""

    async def kill(self, part: str) -> None:
        """SIGKILL, planned: it ends the part and not the run."""

    async def stop(self, part: str) -> None:
        """SIGTERM, and wait for the orderly end."""

    async def start(self, part: str) -> str:
        """Start a part that was ended again, wait until it is ready; its new name."""

    async def pause(self, part: str) -> None:
        """Freeze it (SIGSTOP)."""

    async def resume(self, part: str) -> None:
        """Let it go on (SIGCONT)."""

    async def reload_proxy(self) -> None:
        """A new set of the proxy's workers takes over; connections of the old ones end soon."""

    async def store(self, *command: str | bytes | int) -> Any:
        """The reply to one command at the store itself, which answers within seconds."""

    async def restart_store(self, keep: bool) -> None:
        """End the store and start it again, with what it held or empty."""

    async def fail_over(self, down_ms: float) -> None:
        """Kill the primary; promote its replica this much later, with what it has.

        Everybody is led there.
        """

    async def restore_replica(self) -> None:
        """The old primary comes back, empty, as the replica of the new one."""

    async def set_lag(self, lag_ms: float) -> None:
        """How far the replica is behind from now on; asked for when a timetable begins."""

    async def set_latency(self, latency_ms: float | None) -> None:
        """Of the delay before the store; None: what the plan says."""

    async def set_link(self, part: str, **state: bool) -> None:
        """`cut`, `deaf`, `stale` of a node's passage to the store."""

    async def resume_timetable(self) -> None:
        """Have a producer that was started again go on where the timetable is."""


@dataclass(frozen=True, slots=True)
class LiveTerms:
    """How a fault is asked for, and what it takes.

    `lasts_ms`: how long unless `for=` says otherwise; None: it is over at once. `settings`: what
    else can be said of it. `needs`: of the deployment.
    """

    lasts_ms: float | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    needs: frozenset[Need] = frozenset()


LAG_MS = Parameter(
    low=0, high=10_000, what="how far the replica is behind", option="lag_ms", default=100.0
)
"""The setting `lag_ms` of faults that have a replica."""


@runtime_checkable
class StrikesLive(Fault, Protocol):
    """It can strike a cluster that runs."""

    @property
    def terms(self) -> LiveTerms:
        """How it is asked for."""


@runtime_checkable
class Conducted(StrikesLive, Protocol):
    """Somebody strikes with it from outside."""

    def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike, yield whom, and after a while undo it. `draw`, of [0, 1), chooses the node."""


def node_of(controls: Controls, draw: float) -> str:
    """The node that a draw chooses."""
    return controls.nodes[int(draw * len(controls.nodes))]


async def keys_of(controls: Controls, *narrowed: str) -> list[bytes]:
    """All keys of the store; `narrowed` as SCAN has it: MATCH or TYPE, and what."""
    cursor, keys = b"0", []
    for _ in range(MOST_PAGES):
        cursor, found = await controls.store("SCAN", cursor, *narrowed, "COUNT", PAGE)
        keys += found
        if cursor == b"0":
            return keys
    raise Chunk7Error(f"the store has more than about {MOST_PAGES * PAGE:,} keys")
