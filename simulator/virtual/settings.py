"""What to simulate: one frozen record, checked when it is made.

Model time is in milliseconds. Every connection of a simulation watches one answer of one session:

- An answer has `message_chunks` chunks on average, at `chunk_rate` a second, by `arrivals`.
- `sessions` answers are drawn and stream side by side. When they are over the next wave begins: the
  same answers again, with other clients, until all `connections` have joined.
- A wave lasts `answer_ms / duty`. Joins fall evenly on all of it, so `duty` is the fraction of
  them that falls while the answer streams; the others come when it is complete.
- `watchers` clients join each answer (on average, with Poisson joins). On one node they share the
  channel's subscription: only the first of them waits for the store.
"""

import math
from dataclasses import dataclass, field, fields
from enum import StrEnum

from chunk7.delivery.errors import UsageError
from chunk7.faults import SPELLS
from chunk7.simulator.virtual.distributions import (
    Constant,
    Distribution,
    LogNormal,
    parse_call,
    parse_distribution,
    take_numbers,
)


class Engine(StrEnum):
    """How it is computed; both give the same record."""

    EVENTS = "events"
    VECTORISED = "vectorised"


class Arrivals(StrEnum):
    """When the model emits chunks."""

    EVEN = "even"
    POISSON = "poisson"
    BURSTY = "bursty"
    """Bursts of 8 chunks on average at four times the rate, and a stall after each."""


class JoinSpread(StrEnum):
    """How clients spread over the answers."""

    UNIFORM = "uniform"
    """Exactly `watchers` for each answer, each at a moment of its own."""
    POISSON = "poisson"
    """A Poisson process with that mean: the number differs from answer to answer."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Each node meets a fault at Poisson moments, on average `every_ms` apart, `for_ms` long.

    `fault` is a name of `chunk7.faults.SPELLS`.
    """

    fault: str
    every_ms: float = 10_000.0
    for_ms: float = 200.0

    def __post_init__(self) -> None:
        _require(self.every_ms >= 1, "every_ms", self.every_ms, "1 or more")
        _require(0 <= self.for_ms <= 3_600_000, "for_ms", self.for_ms, "0 to 3600000")


def parse_fault(text: str, option: str) -> Recurrence:
    """`NAME` or `NAME(every_ms,for_ms)`. Raises UsageError in one line."""
    call = parse_call(text, option)
    if call.name not in SPELLS:
        raise UsageError(f"{option} {text!r}: must be one of {', '.join(SPELLS)}")
    if not call.positional and not call.named:
        return Recurrence(call.name)
    try:
        return Recurrence(call.name, *take_numbers(call, ("every_ms", "for_ms"), option))
    except UsageError as error:
        message = str(error)
        raise UsageError(
            message if message.startswith(option) else f"{option}: {message}"
        ) from None


def parse_arrivals(text: str, option: str) -> Arrivals | Distribution:
    """A process by name, or the distribution of the gaps. Raises UsageError in one line."""
    if text in list(Arrivals):
        return Arrivals(text)
    if "(" not in text:
        raise UsageError(
            f"{option} {text}: must be one of {', '.join(Arrivals)}, or a distribution such as "
            "lognormal(median_ms=10,sigma=1)"
        )
    return parse_distribution(text, option)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """Everything a simulation depends on. Raises UsageError, naming the field, when made wrong."""

    connections: int = 100_000
    nodes: int = 3
    sessions: int = 64
    watchers: int = 1
    chunk_rate: float = 50.0
    """Chunks a second while an answer streams."""
    arrivals: Arrivals | Distribution = Arrivals.POISSON
    """A distribution is that of the gaps between chunks, stretched to the chunk rate."""
    message_chunks: int = 200
    duty: float = 1.0
    joins: JoinSpread = JoinSpread.UNIFORM
    store_latency: Distribution = field(default_factory=lambda: LogNormal(0.5, 0.5))
    """One way, process to store or back; drawn anew for every command and every reply."""
    node_work: Distribution = field(default_factory=lambda: Constant(0.0))
    """What a node does at an ordering's Pause."""
    save_lag: Distribution = field(default_factory=lambda: Constant(0.0))
    """What the producer does at an ordering's Pause."""
    delivery_delay: Distribution | None = None
    """Store to node, for a published chunk; None: as `store_latency`."""
    heartbeat_ms: float = 1_000.0
    """How often clients that fill gaps are told the head sequence number."""
    rejoin_ms: float = 100.0
    """From a node's death to its clients' next attempt."""
    faults: tuple[Recurrence, ...] = ()
    engine: Engine = Engine.EVENTS
    seed: int = 1

    def __post_init__(self) -> None:
        counts = (
            ("connections", 1_000_000_000),
            ("nodes", 10_000),
            ("sessions", 100_000),
            ("watchers", 1_000_000),
            ("message_chunks", 100_000),
        )
        for name, most in counts:
            value = getattr(self, name)
            _require(1 <= value <= most, name, value, f"1 to {most}")
        _require(0 < self.chunk_rate <= 1e6, "chunk_rate", self.chunk_rate, "above 0, to 1000000")
        _require(1e-6 <= self.duty <= 1, "duty", self.duty, "0.000001 to 1")
        _require(self.heartbeat_ms >= 1, "heartbeat_ms", self.heartbeat_ms, "1 or more")
        _require(self.rejoin_ms >= 0, "rejoin_ms", self.rejoin_ms, "0 or more")
        _require(self.seed >= 0, "seed", self.seed, "0 or more")
        _require(
            self.sessions * self.message_chunks <= 20_000_000,
            "sessions x message_chunks",
            self.sessions * self.message_chunks,
            "20000000 or less",
        )
        if not isinstance(self.arrivals, Arrivals) and self.arrivals.mean_ms <= 0:
            raise UsageError("arrivals: gaps of mean 0 have no rate")
        if self.faults and self.engine is not Engine.EVENTS:
            raise UsageError("faults need the engine 'events'")

    @property
    def answer_ms(self) -> float:
        """How long an answer streams."""
        return self.message_chunks * 1_000 / self.chunk_rate

    @property
    def wave_ms(self) -> float:
        """From one wave of answers to the next."""
        return self.answer_ms / self.duty

    @property
    def alone(self) -> bool:
        """Whether each client watches an answer that nobody else does, so that none can meet."""
        return self.watchers == 1 and self.joins is JoinSpread.UNIFORM

    @property
    def delivery(self) -> Distribution:
        """The delivery delay that holds."""
        return self.delivery_delay or self.store_latency


def describe(settings: SimulationSettings) -> dict[str, str | int | float | list[str]]:
    """Every setting as a plain value, in the notation of the command line."""
    described: dict[str, str | int | float | list[str]] = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if item.name == "faults":
            described["faults"] = [f"{f.fault}({f.every_ms:g},{f.for_ms:g})" for f in value]
        elif item.name == "delivery_delay":
            described["delivery_delay"] = str(settings.delivery)
        else:
            described[item.name] = value if isinstance(value, int | float) else str(value)
    return described


def _require(holds: bool, name: str, value: float, allowed: str) -> None:
    if not (holds and math.isfinite(value)):
        raise UsageError(f"{name} is {value:g}: must be {allowed}")
