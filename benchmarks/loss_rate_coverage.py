"""How often intervals of loss rates hold the truth; prints the tables of loss_rate_coverage.md.

    python -m benchmarks.loss_rate_coverage [--draws N] [--comparisons N]

A draw is a simulated cell, as small as a live one: so many answers, each with so many watchers. All
draws of a setting are one simulation of draws x answers sessions, which do not meet, cut into
pieces. The truth is the rate of another simulation, of at least 400,000 connections.
"""

import argparse
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunk7.analysis.statistics.paired import compare_paired, compare_unpaired
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual import vectorised
from chunk7.simulator.virtual.chunks import intended_instants, timelines_by_law
from chunk7.simulator.virtual.distributions import Constant
from chunk7.simulator.virtual.settings import Arrivals, Engine, SimulationSettings
from chunk7.wire.intervals import clustered_share, score_interval

Ints = NDArray[np.int64]

MOST_SESSIONS = 100_000
_BUG = CONNECT_ORDERINGS["history_then_subscribe"], WRITE_ORDERINGS["publish_then_save"]


@dataclass(frozen=True, slots=True)
class Load:
    """What a draw is: so many answers, each with so many watchers, and how they lose."""

    sessions: int
    watchers: int
    arrivals: Arrivals
    work_ms: float
    message_chunks: int = 200

    @property
    def name(self) -> str:
        """As the table has it."""
        return f"{self.sessions} x {self.watchers} | {self.arrivals} | {self.work_ms:g}"

    def settings(self, sessions: int, seed: int) -> SimulationSettings:
        """Of a simulation with so many answers in place of a draw's."""
        return SimulationSettings(
            connections=sessions * self.watchers,
            sessions=sessions,
            watchers=self.watchers,
            arrivals=self.arrivals,
            message_chunks=self.message_chunks,
            node_work=Constant(self.work_ms),
            engine=Engine.VECTORISED,
            seed=seed,
        )


LOADS = (
    Load(10, 12, Arrivals.POISSON, 8),
    Load(10, 12, Arrivals.BURSTY, 8),
    Load(3, 40, Arrivals.POISSON, 8),
    Load(3, 40, Arrivals.BURSTY, 8),
    Load(2, 60, Arrivals.BURSTY, 8),
    Load(5, 24, Arrivals.BURSTY, 8),
    Load(5, 24, Arrivals.POISSON, 20, 20),
    Load(10, 50, Arrivals.BURSTY, 20),
    Load(30, 20, Arrivals.BURSTY, 8),
    Load(10, 12, Arrivals.BURSTY, 1),
    Load(10, 100, Arrivals.POISSON, 0),
)


def lossy_by_session(load: Load, sessions: int, seed: int) -> Ints:
    """Lossy connections of each of so many sessions, shape (sessions,)."""
    connect, write = _BUG
    settings = load.settings(sessions, seed)
    lossy = np.zeros(sessions, dtype=np.int64)
    for block in vectorised.outcomes(settings, connect, timelines_by_law(settings, write)):
        lossy += np.bincount(block.session, block.lost > 0, sessions).astype(np.int64)
    return lossy


def drawn(load: Load, draws: int, seed: int = 1) -> Ints:
    """Lossy connections by draw and session, shape (draws, sessions)."""
    at_once = max(1, min(draws, MOST_SESSIONS // load.sessions))
    parts = [
        lossy_by_session(load, at_once * load.sessions, seed + k).reshape(-1, load.sessions)
        for k in range(-(-draws // at_once))
    ]
    return np.concatenate(parts)[:draws]


def truth(load: Load, seed: int = 1_000) -> float:
    """The rate that many more connections come to, in 10,000 sessions or more."""
    sessions = max(10_000, 400_000 // load.watchers)
    lossy = lossy_by_session(load, sessions, seed)
    return float(lossy.sum() / (sessions * load.watchers))


def intervals(lossy: Ints, watchers: int) -> Iterator[tuple[float, float]]:
    """That of each draw, as results state it; shape (draws, sessions)."""
    for row in lossy:
        found = clustered_share(row, np.full(len(row), watchers))
        yield found.low, found.high


def as_if_independent(lossy: Ints, watchers: int) -> Iterator[tuple[float, float]]:
    """Wilson's interval of the connections."""
    size = lossy.shape[1] * watchers
    for share in lossy.sum(axis=1) / size:
        found = score_interval(share, size)
        yield found.low, found.high


def covered(
    method: Callable[[Ints, int], Iterator[tuple[float, float]]],
    lossy: Ints,
    watchers: int,
    rate: float,
) -> tuple[float, float]:
    """Share of the draws whose interval holds the rate; and the intervals' median width."""
    low, high = np.array(list(method(lossy, watchers))).T
    return float(((low <= rate) & (rate <= high)).mean()), float(np.median(high - low))


def unlike(
    sessions: int, watchers: int, rate: float, effect: float, draws: int, seed: int = 1
) -> Ints:
    """Draws of sessions that lose at rates of their own, beta distributed, shape (draws, sessions).

    `effect`: the design effect that this gives; 1 for one rate, and independent connections.
    """
    rng = np.random.default_rng(seed)
    if effect == 1:
        return rng.binomial(watchers, rate, (draws, sessions))
    weight = (watchers - 1) / (effect - 1) - 1
    rates = rng.beta(rate * weight, (1 - rate) * weight, (draws, sessions))
    return rng.binomial(watchers, rates)


# --- comparisons without a difference ---


def paired_draws(load: Load, draws: int, taking_turns: bool, seed: int = 1) -> Iterator[Any]:
    """Whether each connection of two cells lost something: (first, second, session) of each draw.

    Both cells meet the same chunks and joins; their windows are lognormal with the load's work as
    median, and drawn apart. `taking_turns`: in each session one of the two, by a coin, has windows
    of twice that length, so that sessions have a better one and all sessions together have not.
    """
    rng = np.random.default_rng(seed)
    settings = load.settings(load.sessions * draws, seed)
    session = np.repeat(np.arange(load.sessions), load.watchers)
    shape = (load.sessions, load.watchers)
    for draw in range(draws):
        joined_ms = rng.uniform(0, settings.wave_ms, shape)
        slow = rng.integers(0, 2, load.sessions)[:, None]
        windows_ms = load.work_ms * rng.lognormal(0, 0.5, (2, *shape))
        if taking_turns:
            windows_ms *= np.stack([1 + slow, 2 - slow])
        lossy = np.zeros((2, *shape), dtype=bool)
        for place in range(load.sessions):
            chunks_ms = intended_instants(settings, draw * load.sessions + place)
            before = np.searchsorted(chunks_ms, joined_ms[place])
            until = np.searchsorted(chunks_ms, joined_ms[place] + windows_ms[:, place])
            lossy[:, place] = until > before
        yield lossy[0].ravel(), lossy[1].ravel(), session


def paired_errors(load: Load, draws: int, taking_turns: bool) -> tuple[float, float, float, float]:
    """How often McNemar's test sees a difference, Newcombe's interval misses 0, the same by
    session, and test and interval by session both see one."""
    found = np.zeros(4)
    for first, second, session in paired_draws(load, draws, taking_turns):
        plain = compare_paired(first, second)
        by_session = compare_paired(first, second, sessions=session)
        seen = plain.p_value < 0.05
        misses = [not one.low <= 0 <= one.high for one in (plain, by_session)]
        found += [seen, *misses, seen and misses[1]]
    test, independent, clustered, verdict = found / draws
    return float(test), float(independent), float(clustered), float(verdict)


def unpaired_errors(load: Load, draws: int) -> tuple[float, float, float, float]:
    """How often Fisher's test sees a difference, and Newcombe's interval misses 0, of connections
    as if independent; and both by session."""
    lossy, watchers = drawn(load, 2 * draws, seed=5_000), load.watchers
    size, units = load.sessions * watchers, np.full(load.sessions, watchers)
    found = np.zeros(4)
    for one, other in zip(lossy[::2], lossy[1::2], strict=True):
        for at, result in (
            (0, compare_unpaired(int(one.sum()), size, int(other.sum()), size)),
            (2, compare_unpaired(one, units, other, units)),
        ):
            found[at : at + 2] += [result.p_value < 0.05, not result.low <= 0 <= result.high]
    test, interval, test_by_session, interval_by_session = found / draws
    return float(test), float(interval), float(test_by_session), float(interval_by_session)


def main() -> None:
    """Simulate, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2_000, metavar="N")
    parser.add_argument("--comparisons", type=int, default=1_000, metavar="N")
    args = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}")
    print(f"{args.draws:,} draws, {args.comparisons:,} comparisons each\n")
    _print_coverage(args.draws)
    _print_unlike(args.draws)
    _print_comparisons(args.comparisons)


def _print_coverage(draws: int) -> None:
    print("| answers x watchers | chunks | node work, ms | loss rate | design effect |", end="")
    print(" as if independent: holds, width | by session: holds, width |")
    print("|---|---|---|---|---|---|---|")
    for load in LOADS:
        rate, lossy = truth(load), drawn(load, draws)
        print(f"| {load.name} | {_row(lossy, load.watchers, rate)} |", flush=True)


def _print_unlike(draws: int) -> None:
    print("\n| sessions x connections | loss rate | design effect |", end="")
    print(" as if independent: holds, width | by session: holds, width |")
    print("|---|---|---|---|---|")
    for sessions, watchers in ((3, 40), (5, 24), (10, 12), (10, 50), (30, 20)):
        for rate in (0.01, 0.1, 0.3):
            for effect in (1, 2, 4):
                lossy = unlike(sessions, watchers, rate, effect, draws)
                print(f"| {sessions} x {watchers} | {_row(lossy, watchers, rate)} |", flush=True)


def _row(lossy: Ints, watchers: int, rate: float) -> str:
    size = lossy.shape[1] * watchers
    effect = (lossy.sum(axis=1) / size).var() * size / (rate * (1 - rate))
    methods = (as_if_independent, intervals)
    found = [covered(method, lossy, watchers, rate) for method in methods]
    cells = [f"{100 * holds:.1f}%, {100 * width:.1f} points" for holds, width in found]
    return f"{100 * rate:.1f}% | {effect:.2f} | {' | '.join(cells)}"


def _print_comparisons(draws: int) -> None:
    print("\n| answers x watchers | chunks | node work, ms | the two cells |", end="")
    print(" McNemar | Newcombe as if independent | Newcombe by session | verdict |")
    print("|---|---|---|---|---|---|---|---|")
    for load in (LOADS[0], LOADS[1], LOADS[3], LOADS[6]):
        for turns in (False, True):
            cells = "take turns" if turns else "are alike"
            errors = paired_errors(load, draws, turns)
            print(f"| {load.name} | {cells} | {_percents(errors)} |", flush=True)
    print("\n| answers x watchers | chunks | node work, ms |", end="")
    print(" Fisher, Newcombe as if independent | Fisher, Newcombe by session |")
    print("|---|---|---|---|---|")
    for load in LOADS[:9]:
        errors = unpaired_errors(load, draws)
        pairs = (", ".join(f"{100 * e:.1f}%" for e in errors[k : k + 2]) for k in (0, 2))
        print(f"| {load.name} | {' | '.join(pairs)} |", flush=True)


def _percents(errors: tuple[float, ...]) -> str:
    return " | ".join(f"{100 * error:.1f}%" for error in errors)


if __name__ == "__main__":
    main()
