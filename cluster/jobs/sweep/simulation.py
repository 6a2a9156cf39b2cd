"""A sweep's simulated points: the settings of a live run, mapped to `simulator.virtual.settings`.

| live                | simulated                                                              |
|---------------------|------------------------------------------------------------------------|
| users, sessions     | `watchers` = users / sessions; 20,000 connections instead of the users |
| chunk rate, answers | the gaps between the intended instants that a live run would have      |
| store latency       | `store_latency`: the setting, and what the machine adds to each way    |
| node work, save lag | `node_work`, `save_lag`: the setting, and how late the pauses end      |
| nodes, seed         | the same                                                               |

What the machine adds is measured once, in the base run, so it does not grow with any factor. Where
live points leave the simulated line, contention makes the difference.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import lognorm

from chunk7.analysis.run_folder import Run, load_run
from chunk7.analysis.sweep_table import Calibration
from chunk7.cluster.cells import Cells, orderings
from chunk7.cluster.settings import RunSettings
from chunk7.delivery.errors import RecordError, UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.producer.answers import SHIPPED, read_answers
from chunk7.producer.timetable import scripts
from chunk7.simulator.explore.guard import guarded
from chunk7.simulator.virtual.distributions import Durations, Empirical, empirical
from chunk7.simulator.virtual.settings import Engine
from chunk7.simulator.virtual.settings import SimulationSettings as Simulated
from chunk7.simulator.virtual.simulate import simulate
from chunk7.wire.account import CellAccount
from chunk7.wire.plan import Plan

_QUANTILES = 200
_MOST_CHUNKS = 100_000
"""Of all answers that are drawn; connections beyond them meet the same answers again."""
_MOST_SESSIONS = 240

USUAL = Calibration(
    run_dir="",
    one_way_ms=[float(q) for q in lognorm.ppf((np.arange(200) + 0.5) / 200, s=0.5, scale=0.5)],
    node_work_ms=[0.0],
    save_lag_ms=[0.0],
)
"""Without a live run: the usual store latency of `chunk7 simulate`, and prompt pauses."""


@dataclass(frozen=True, slots=True)
class Planned:
    """Gaps between chunks, in ms: those of a planned answer, round and round from any chunk."""

    answers_ms: tuple[tuple[float, ...], ...]

    @property
    def mean_ms(self) -> float:
        """Of all gaps."""
        return statistics.fmean(gap for answer in self.answers_ms for gap in answer)

    def draw(self, rng: np.random.Generator, count: int) -> Durations:
        """`count` gaps of one answer in their order, shape (count,)."""
        answer = np.array(self.answers_ms[rng.integers(len(self.answers_ms))])
        return np.resize(np.roll(answer, rng.integers(len(answer))), count)


def planned(plan: Plan) -> Planned:
    """What a live run of this plan streams. Raises UsageError if it cannot."""
    written = scripts(plan, read_answers(SHIPPED))
    return Planned(
        tuple(tuple(np.diff(script.offsets_ms, prepend=script.start_ms)) for script in written)
    )


def simulated_settings(settings: RunSettings, measured: Calibration, connections: int) -> Simulated:
    """The table above. Raises UsageError for settings that cannot be simulated."""
    plan = settings.plan
    gaps = planned(plan)
    message_chunks = max(1, round(statistics.fmean(map(len, gaps.answers_ms))))
    watchers = max(1, round(plan.users / plan.sessions))
    sessions = min(_MOST_SESSIONS, _MOST_CHUNKS // message_chunks, connections // watchers)
    return Simulated(
        connections=connections,
        sessions=max(1, sessions),
        watchers=watchers,
        nodes=settings.nodes,
        arrivals=gaps,
        chunk_rate=1_000 / gaps.mean_ms,
        message_chunks=message_chunks,
        store_latency=_with(plan.store_latency_ms, measured.one_way_ms),
        node_work=_with(plan.node_work_ms, measured.node_work_ms),
        save_lag=_with(plan.save_lag_ms, measured.save_lag_ms),
        engine=Engine.VECTORISED,
        seed=plan.seed,
    )


def simulate_cells(settings: Simulated, cells: Cells) -> list[CellAccount]:
    """Every cell; a user's own orderings in a process that can be stopped."""
    foreign = bool(cells.connect_files or cells.write_files)

    def job(tick: Callable[[], None]) -> Iterator[CellAccount]:
        connects, writes = orderings(cells)
        for cell in cells.cells:
            yield _simulate(settings, connects[cell.connect], writes[cell.write], tick)

    return list(guarded(job) if foreign else job(lambda: None))


def calibrate(run_dir: Path, plan: Plan) -> Calibration:
    """What the machine took beyond the plan of a live run.

    Raises RecordError for a folder that is none, or in which nothing asked the store.
    """
    run = load_run(run_dir)
    read_sent, read_done = _ms(run, "joins", "read_sent_ns", "read_done_ns")
    sent, done = _ms(run, "joins", "subscribe_sent_ns", "subscribe_done_ns")
    publish_sent, publish_done = _ms(run, "published", "publish_sent_ns", "publish_done_ns")
    save_sent, save_done = _ms(run, "published", "save_sent_ns", "save_done_ns")
    asked = ~run.joins["subscribe_shared"].to_numpy(dtype=bool, na_value=False)
    trips = (
        read_done - read_sent,
        (done - sent)[asked],
        publish_done - publish_sent,
        save_done - save_sent,
    )
    one_way = [_evenly(trip) / 2 for trip in trips if np.isfinite(trip).any()]
    if not one_way:
        raise RecordError(f"{run_dir}: no command to the store to calibrate the simulation by")
    # Of two commands the later one was sent after the pause: the other difference is negative.
    node_pause = np.fmax(sent - read_done, read_sent - done)
    save_pause = np.fmax(save_sent - publish_done, publish_sent - save_done)
    return Calibration(
        run_dir=run_dir.name,
        one_way_ms=_beyond(np.concatenate(one_way), plan.store_latency_ms),
        node_work_ms=_beyond(node_pause, plan.node_work_ms),
        save_lag_ms=_beyond(save_pause, plan.save_lag_ms),
    )


def _simulate(
    settings: Simulated, connect: ConnectOrdering, write: WriteOrdering, tick: Callable[[], None]
) -> CellAccount:
    """By arrays where the orderings can be, else by their own code: both give the same."""
    try:
        return simulate(settings, connect, write, tick)
    except UsageError:
        return simulate(replace(settings, engine=Engine.EVENTS), connect, write, tick)


def _ms(run: Run, table: str, *columns: str) -> list[Durations]:
    frame = getattr(run, table)
    return [run.instants(frame, column) / 1e6 for column in columns]


def _evenly(values: Durations) -> Durations:
    """As many values of every kind: the middles of equally likely parts."""
    known = values[np.isfinite(values)]
    found: Durations = np.quantile(known, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    return found


def _beyond(values: Durations, asked_ms: float) -> list[float]:
    """What is above the setting, in equally likely values; nothing where there was no such step."""
    if not np.isfinite(values).any():
        return [0.0]
    rest: list[float] = np.maximum(_evenly(values) - asked_ms, 0).round(4).tolist()
    return rest


def _with(asked_ms: float, rest_ms: list[float]) -> Empirical:
    return empirical([asked_ms + rest for rest in rest_ms])
