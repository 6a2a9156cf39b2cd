"""What the tries come to: a row a schedule, one verdict, and which of our orderings it is like."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any

from chunk7.instruments.steer.plan import (
    JOINS,
    NETWORK,
    PRODUCER,
    Keeps,
    PlannedSchedule,
    SteerEvent,
    SteerSchedule,
)
from chunk7.instruments.steer.rules import Rules
from chunk7.wire.intervals import score_interval

SCHEMA = 1


class SteerVerdict(StrEnum):
    """What all the schedules of a system say together."""

    LOSES = "loses"
    """In a schedule that was forced, a chunk under test was lost."""
    SURVIVES = "survives every feasible schedule"
    """All were forced in every try, and none lost anything."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Try:
    """One session in which a schedule was to be forced.

    `forced`: every event came in its place. `infeasible`: why the app did not let it happen;
    `undetermined`: why it cannot be told; else None. Of the chunks under test, by their numbers
    from 1, `lost` never came. `lost_other`: chunks before and behind them that never came: a loss
    that this schedule does not prove. `late`: chunks that came only after all was let go.
    """

    forced: bool
    infeasible: str | None = None
    undetermined: str | None = None
    lost: tuple[int, ...] = ()
    lost_other: int = 0
    late: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    unexpected: int = 0
    seconds: float = 0.0

    @property
    def judged(self) -> bool:
        """Whether it says something about the schedule."""
        return self.forced and self.infeasible is None and self.undetermined is None

    @property
    def lossy(self) -> bool:
        """Whether the schedule lost a chunk under test."""
        return self.judged and bool(self.lost)

    @property
    def kept(self) -> bool:
        """Whether everything came."""
        return self.judged and not self.lost and not self.lost_other


@dataclass(frozen=True, slots=True)
class SteerRow:
    """A planned schedule and its tries."""

    planned: PlannedSchedule
    tries: tuple[Try, ...] = ()

    @property
    def schedule(self) -> SteerSchedule:
        """What was to be forced."""
        return self.planned.schedule

    @property
    def struck(self) -> bool:
        """Whether a fault is among its steps."""
        return any(step.actor == NETWORK for step in self.schedule.steps)

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of tries, by what they came to."""
        judged = [one for one in self.tries if one.judged]
        return {
            "tries": len(self.tries),
            "forced": len(judged),
            "lossy": sum(one.lossy for one in judged),
            "lossy_elsewhere": sum(one.lost_other > 0 for one in judged),
            "doubled": sum(one.duplicates > 0 for one in judged),
            "out_of_order": sum(one.out_of_order > 0 for one in judged),
            "unexpected": sum(one.unexpected > 0 for one in judged),
            "late": sum(one.late > 0 for one in judged),
            "infeasible": sum(one.infeasible is not None for one in self.tries),
            "undetermined": sum(
                not one.judged and one.infeasible is None for one in self.tries
            ),
        }  # fmt: skip

    @property
    def infeasible(self) -> str | None:
        """Why the app does not let it happen: by plan, or as every try found; else None."""
        found = {one.infeasible for one in self.tries}
        if self.tries and None not in found:
            return "; ".join(sorted(str(reason) for reason in found))
        return self.planned.infeasible if not self.tries else None

    @property
    def lossy(self) -> bool:
        """Whether it lost a chunk under test in some try."""
        return any(one.lossy for one in self.tries)

    @property
    def kept(self) -> bool:
        """Whether every try was forced and lost nothing."""
        return bool(self.tries) and all(one.kept for one in self.tries)

    @property
    def lost(self) -> Counter[int]:
        """By chunk under test, in how many tries it was lost."""
        return Counter(chunk for one in self.tries if one.lossy for chunk in one.lost)

    @property
    def because(self) -> Counter[str]:
        """Why tries could not be told, and how many each."""
        return Counter(
            one.undetermined or "not every event came in its place"
            for one in self.tries
            if not one.judged and one.infeasible is None
        )


@dataclass(frozen=True, slots=True)
class Natural:
    """Joins that nobody steered, without the proxy; the ends of the rate's Wilson interval."""

    lossy: int
    joins: int
    low: float
    high: float

    @classmethod
    def of(cls, lossy: int, joins: int) -> "Natural":
        """Of so many joins, at least one, so many lost a chunk."""
        interval = score_interval(lossy / joins, joins)
        return cls(lossy, joins, interval.low, interval.high)

    @property
    def rate(self) -> float:
        """The share that lost a chunk."""
        return self.lossy / self.joins


@dataclass(frozen=True, slots=True)
class SteerLearning:
    """What was seen of the app: its commands, on which connections, in which order.

    `connections`: by event, in words, such as `3, which is shared`. `join_keeps`, `write_keeps`:
    pairs (a, b) of which the app lets b begin only after a has been answered.
    """

    rules: Rules = field(default_factory=Rules)
    connections: Mapping[SteerEvent, str] = field(default_factory=dict)
    join: tuple[SteerEvent, ...] = ()
    join_keeps: Keeps = frozenset()
    write: tuple[SteerEvent, ...] = ()
    write_keeps: Keeps = frozenset()


@dataclass(frozen=True, slots=True)
class SteerResult:
    """All that a steering found. `write`: the order in which our own producer wrote, or None.

    `explored`: what the explorer says of the pair that it is like, or None. `replayed`: the rows
    are schedules that somebody named, not all that there are. `comeback`: the joins were those of a
    client that comes back.
    """

    target: str
    learned: SteerLearning
    rows: tuple[SteerRow, ...]
    write: str | None = None
    natural: Natural | None = None
    notes: tuple[str, ...] = ()
    explored: str | None = None
    replayed: bool = False
    comeback: bool = False

    @property
    def verdict(self) -> SteerVerdict:
        """Of the orders alone: what a fault brings about stands for itself. A schedule that none of
        the tries could tell leaves the verdict open.
        """
        if any(row.lossy for row in self.orders):
            return SteerVerdict.LOSES
        feasible = [row for row in self.orders if row.infeasible is None]
        if feasible and all(row.kept for row in feasible):
            return SteerVerdict.SURVIVES
        return SteerVerdict.UNKNOWN

    @property
    def orders(self) -> tuple[SteerRow, ...]:
        """The rows in which no fault strikes."""
        return tuple(row for row in self.rows if not row.struck)

    @property
    def losing(self) -> "SteerRow | None":
        """The schedule that is drawn: it lost in most tries, and is the shortest of these."""
        lossy = [row for row in self.orders if row.lossy]
        return min(
            lossy, key=lambda row: (-row.counts["lossy"], len(row.schedule.steps)), default=None
        )

    @property
    def pair(self) -> tuple[str, str] | None:
        """The connect and the write ordering of ours that it behaves like; None without one."""
        connect, write = _connect_like(self), _write_like(self)
        if connect is None or write is None:
            return None
        one_feed = (connect == "redis_streams") == (write == "stream_append")
        return (connect, write) if one_feed else None

    @property
    def equals(self) -> str | None:
        """`pair` as people read it."""
        return " x ".join(self.pair) if self.pair else None

    @property
    def metrics(self) -> dict[str, float | None]:
        """What a threshold may be on; null where nobody knows."""
        counts = sum((Counter(row.counts) for row in self.orders), Counter())
        infeasible = sum(row.infeasible is not None for row in self.orders)
        told = sum(row.kept or row.lossy for row in self.orders)
        return {
            "lossy_schedules": sum(row.lossy for row in self.orders),
            "lossy_tries": counts["lossy"],
            "doubled_tries": counts["doubled"],
            "out_of_order_tries": counts["out_of_order"],
            "undetermined_schedules": len(self.orders) - infeasible - told,
            "infeasible_schedules": infeasible,
            "lossy_faults": sum(row.lossy for row in self.rows if row.struck),
            "natural_loss_rate": self.natural.rate if self.natural else None,
            "natural_loss_rate_high": self.natural.high if self.natural else None,
        }


METRICS = tuple(SteerResult("", SteerLearning(), ()).metrics)

# --- which of our orderings ---


def _connect_like(result: SteerResult) -> str | None:
    """By the order it keeps, or else by the one in which it lost; and by what came of it."""
    read, subscribe = SteerEvent.READ, SteerEvent.SUBSCRIBE
    verdict = result.verdict
    if verdict is SteerVerdict.UNKNOWN:
        return None
    if SteerEvent.FOLLOW in result.learned.join:
        return "redis_streams" if verdict is SteerVerdict.SURVIVES else None
    plain = any(row.counts["doubled"] or row.counts["out_of_order"] for row in result.orders)
    merged = "subscribe_then_history" if plain else "buffered_merge"
    loses = verdict is SteerVerdict.LOSES
    if SteerEvent.ANSWER in result.learned.join:  # who is among the listeners when, nobody sees
        return "history_then_subscribe" if loses else merged
    order = _order(result, JOINS[0], (read, subscribe), result.learned.join_keeps)
    if order == (read, subscribe):
        return "history_then_subscribe" if loses else "sequence_gap_fill"
    return merged if order == (subscribe, read) else None


def _write_like(result: SteerResult) -> str | None:
    publish, save = SteerEvent.PUBLISH, SteerEvent.SAVE
    if result.write is not None:
        return result.write
    if result.learned.write in ((SteerEvent.WRITE,), (SteerEvent.APPEND,)):
        return {SteerEvent.WRITE: "atomic_multi", SteerEvent.APPEND: "stream_append"}[
            result.learned.write[0]
        ]
    order = _order(result, PRODUCER, (publish, save), result.learned.write_keeps)
    known = {(publish, save): "publish_then_save", (save, publish): "save_then_publish"}
    return known.get(order) if order else None


def _order(
    result: SteerResult, actor: str, pair: tuple[SteerEvent, SteerEvent], keeps: Keeps
) -> tuple[SteerEvent, SteerEvent] | None:
    """The pair as the app orders it, or as it stood where it lost."""
    kept = [one for one in (pair, pair[::-1]) if one in keeps]
    if kept or result.losing is None:
        return kept[0] if kept else None
    events = [step.event for step in result.losing.schedule.steps if step.actor == actor]
    if not {*pair} <= {*events}:
        return None
    return pair if events.index(pair[0]) < events.index(pair[1]) else pair[::-1]


# --- JSON ---


def document(result: SteerResult) -> dict[str, Any]:
    """What `chunk7 steer --json` prints."""
    learned = result.learned
    return {
        "schema": SCHEMA,
        "target": result.target,
        "write": result.write,
        "verdict": str(result.verdict),
        "replayed": result.replayed,
        "equals": result.equals,
        "explored": result.explored,
        "metrics": result.metrics,
        "natural": result.natural and {**asdict(result.natural), "rate": result.natural.rate},
        "learned": {
            "rules": learned.rules.options(),
            "connections": {str(event): text for event, text in learned.connections.items()},
            "join": [*map(str, learned.join)],
            "join_keeps": _pairs(learned.join_keeps),
            "write": [*map(str, learned.write)],
            "write_keeps": _pairs(learned.write_keeps),
        },
        "schedules": [_row(row) for row in result.rows],
        "notes": list(result.notes),
    }


def _pairs(keeps: Keeps) -> list[list[str]]:
    return sorted([str(a), str(b)] for a, b in keeps)


def _row(row: SteerRow) -> dict[str, Any]:
    return {
        "schedule": row.schedule.key,
        "steps": [step._asdict() for step in row.schedule.steps],
        "equivalents": row.planned.equivalents,
        "infeasible": row.infeasible,
        **{name: count for name, count in row.counts.items() if name != "infeasible"},
        "lost": {str(chunk): count for chunk, count in sorted(row.lost.items())},
        "because": dict(row.because),
        "seconds_p50": median(_seconds(row.tries)) if row.tries else None,
        "each": [asdict(one) for one in row.tries],
    }


def _seconds(tries: Sequence[Try]) -> list[float]:
    return [one.seconds for one in tries]
