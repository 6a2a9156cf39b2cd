"""When nodes fail in virtual time: a schedule drawn once, before anything else happens."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from chunk7.faults import SPELLS
from chunk7.faults.fault import Outage
from chunk7.simulator.virtual.population import Purpose, generator
from chunk7.simulator.virtual.settings import SimulationSettings

MAX_FAULTS = 1_000_000
"""A schedule ends after this many of one kind on one node."""


@dataclass(frozen=True, slots=True)
class Downtimes:
    """Times during which something is broken: `start_ms` ascending, `end_ms[i]` when it ends."""

    start_ms: list[float]
    end_ms: list[float]

    def end_of_spell(self, at_ms: float) -> float | None:
        """When the spell that `at_ms` falls into ends, None if it falls into none."""
        last = bisect_right(self.start_ms, at_ms) - 1
        if last < 0 or at_ms >= self.end_ms[last]:
            return None
        return self.end_ms[last]

    def next_start(self, at_ms: float) -> float:
        """The first start after `at_ms`; infinite when there is none."""
        following = bisect_right(self.start_ms, at_ms)
        return self.start_ms[following] if following < len(self.start_ms) else float("inf")

    def starting(self, from_ms: float, to_ms: float) -> list[tuple[float, float]]:
        """(start, end) of the spells that start in [from_ms, to_ms)."""
        chosen = slice(bisect_left(self.start_ms, from_ms), bisect_left(self.start_ms, to_ms))
        return list(zip(self.start_ms[chosen], self.end_ms[chosen], strict=True))


@dataclass(frozen=True, slots=True)
class FaultSchedule:
    """For every node its crashes and its losses of the Pub/Sub connection. Absolute ms."""

    crashes: list[Downtimes]
    reconnects: list[Downtimes]

    def home(self, node: int, at_ms: float) -> tuple[int, float]:
        """The node that the proxy ends up with, and when: the next that lives, in turn.

        When none lives the client is taken by the first that is back.
        """
        returns = []
        for step in range(len(self.crashes)):
            candidate = (node + step) % len(self.crashes)
            back_ms = self.crashes[candidate].end_of_spell(at_ms)
            if back_ms is None:
                return candidate, at_ms
            returns.append((back_ms, candidate))
        back_ms, candidate = min(returns)
        return candidate, back_ms


def draw_schedule(settings: SimulationSettings) -> FaultSchedule:
    """The schedule of these settings, over all waves."""
    occurrences = -(-settings.connections // settings.watchers)
    waves = -(-occurrences // settings.sessions)
    total_ms = waves * settings.wave_ms + settings.answer_ms
    return FaultSchedule(
        _spells(settings, Outage.NODE, total_ms),
        _spells(settings, Outage.SUBSCRIPTION, total_ms),
    )


def _spells(settings: SimulationSettings, outage: Outage, total_ms: float) -> list[Downtimes]:
    return [_node_spells(settings, outage, node, total_ms) for node in range(settings.nodes)]


def _node_spells(
    settings: SimulationSettings, outage: Outage, node: int, total_ms: float
) -> Downtimes:
    """A node is not struck again by the same fault before it is back, and spells that overlap are
    one. A reconnect ends once the store has executed the new SUBSCRIBE."""
    spells: list[tuple[float, float]] = []
    for fault in settings.faults:
        if SPELLS[fault.fault].outage is not outage:
            continue
        rng = generator(settings.seed, Purpose.FAULT, list(SPELLS).index(fault.fault), node)
        now = float(rng.exponential(fault.every_ms))
        most = len(spells) + MAX_FAULTS
        while now < total_ms and len(spells) < most:
            again = 0.0
            if outage is Outage.SUBSCRIPTION:
                again = float(settings.store_latency.draw(rng, 1)[0])
            end_ms = now + fault.for_ms + again
            spells.append((now, end_ms))
            now = end_ms + float(rng.exponential(fault.every_ms))
    return _merged(sorted(spells))


def _merged(spells: list[tuple[float, float]]) -> Downtimes:
    """Ascending spells, those that overlap or touch as one."""
    starts: list[float] = []
    ends: list[float] = []
    for start_ms, end_ms in spells:
        if ends and start_ms <= ends[-1]:
            ends[-1] = max(ends[-1], end_ms)
        else:
            starts.append(start_ms)
            ends.append(end_ms)
    return Downtimes(starts, ends)
