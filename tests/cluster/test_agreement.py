"""`chunk7 run` and `chunk7 simulate` agree: same parameters, the live rates in simulated intervals.

What the simulation is given. The parameters are the settings: node work, save lag, store latency,
users, sessions, nodes. The chunks come as the run's own plan says: the gaps between their intended
instants, in their order, since recorded answers come in bursts. A simulated answer is a planned one
that begins at a random chunk and goes round. On top of each parameter comes the rest that this
machine took, measured in the run: half a round trip more than the store latency, and how much
later than asked the event loops were back from their pauses. A rest above a quarter of the gap
would make the measurement, and not the settings, decide: such a run is not used.

What is compared. One live cell, of `USERS` joins, with `REPLICAS` simulated cells of the same size:
the share of connections that lost something, and the lost chunks a connection. Each replica has
answers of its own, so what clients of one answer have in common is in the spread between replicas.
A live figure must lie within the two-sided prediction interval for one more normal value (Student's
t: mean +- t * sd * sqrt(1 + 1/n)).

False alarms. `FALSE_ALARM` is the probability that all comparisons together raise one when both
sides are alike: each gets its equal part (Bonferroni). The spread between replicas includes that of
the plan, which the live run has but once, so the true probability is smaller. And an interval that
took in everything would prove nothing: half the gap must be rejected.

A run that says it is not valid, on a busy machine, is repeated twice at most.
"""

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import chunk7
from numpy.typing import NDArray
from scipy.stats import t as student

from chunk7.analysis.run_folder import Instants, Run, load_run
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual import vectorised
from chunk7.simulator.virtual.chunks import timelines_by_law
from chunk7.simulator.virtual.distributions import Durations, Empirical, empirical
from chunk7.simulator.virtual.settings import Engine
from chunk7.simulator.virtual.settings import SimulationSettings as Simulated

pytestmark = [pytest.mark.live, pytest.mark.measured]

USERS, SESSIONS, NODES = 300, 12, 3
CHUNK_RATE, DURATION_S = 13, 4.5
ATTEMPTS = 3
REPLICAS = 200
FALSE_ALARM = 1e-4


@dataclass(frozen=True)
class Setting:
    """One live run: a pair that loses, what makes its gap, and sound orderings beside it."""

    connect: str
    write: str
    node_work_ms: float = 0
    save_lag_ms: float = 0
    store_latency_ms: float = 0
    sound: tuple[str, ...] = ()

    @property
    def gap_ms(self) -> float:
        """W + L by the settings: after the read and before the save there is one way each."""
        return self.node_work_ms + self.save_lag_ms + 2 * self.store_latency_ms

    @property
    def halved(self) -> "Setting":
        """The same with half the gap."""
        names = ("node_work_ms", "save_lag_ms", "store_latency_ms")
        return dataclasses.replace(self, **{name: getattr(self, name) / 2 for name in names})


SETTINGS = (
    Setting("history_then_subscribe", "publish_then_save", node_work_ms=60),
    Setting("subscribe_then_history", "publish_then_save", save_lag_ms=60),
    Setting(
        "history_then_subscribe",
        "atomic_lua",
        node_work_ms=50,
        store_latency_ms=6,
        sound=("buffered_merge",),
    ),
)
EACH_FALSE_ALARM = FALSE_ALARM / (2 * len(SETTINGS))


@dataclass(frozen=True)
class Rest:
    """What the machine took beyond the settings, in ms, shape (samples,) each."""

    one_way: Durations
    node_work: Durations
    save_lag: Durations

    def gap_ms(self) -> float:
        """What it adds to a gap: two ways, one pause of either kind."""
        return float(2 * self.one_way.mean() + self.node_work.mean() + self.save_lag.mean())


@dataclass(frozen=True)
class Lived:
    """A valid live run: its results by cell, its plan, and the machine's rest."""

    setting: Setting
    results: list[dict[str, Any]]
    gaps_ms: tuple[tuple[float, ...], ...]
    rest: Rest


@dataclass(frozen=True)
class Planned:
    """Gaps between chunks: those of a planned answer, round and round from any of its chunks."""

    answers_ms: tuple[tuple[float, ...], ...]

    @property
    def mean_ms(self) -> float:
        return statistics.fmean(gap for answer in self.answers_ms for gap in answer)

    def draw(self, rng: np.random.Generator, count: int) -> Durations:
        answer = np.array(self.answers_ms[rng.integers(len(self.answers_ms))])
        return np.resize(np.roll(answer, rng.integers(len(answer))), count)


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda s: f"{s.connect}-{s.write}")
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """The setting, run live until a run is valid."""
    against = []
    for _ in range(ATTEMPTS):
        found = live(request.param, tmp_path_factory.mktemp("agreement") / "run")
        if isinstance(found, Lived):
            return found
        against.append(found)
    pytest.fail(f"no run of {ATTEMPTS} was valid: {against}")


def test_the_live_run_lies_within_the_simulated_interval(lived: Lived) -> None:
    [(low, high), (chunks_low, chunks_high)] = intervals(lived, lived.setting)
    loss_rate, chunks_lost = figures(lived)
    assert low <= loss_rate <= high
    assert chunks_low <= chunks_lost <= chunks_high


def test_half_the_gap_would_be_told_apart(lived: Lived) -> None:
    """By one of the two figures: one that is out is enough to fail the test above."""
    [(_, high), (_, chunks_high)] = intervals(lived, lived.setting.halved)
    loss_rate, chunks_lost = figures(lived)
    assert loss_rate > high or chunks_lost > chunks_high


def test_a_sound_pair_loses_nothing_in_either(lived: Lived) -> None:
    for connect, result in zip(lived.setting.sound, lived.results[1:], strict=True):
        assert result["connect"] == connect
        assert (result["lossy_connections"], result["chunks_lost"]) == (0, 0)
        assert not lost_by_replica(lived, lived.setting, connect).any()


# --- live ---


def live(setting: Setting, folder: Path) -> Lived | list[str]:
    """Run it; the reasons if that is of no use."""
    done = chunk7(
        *("run", "--connect", ",".join((setting.connect, *setting.sound))),
        *("--write", setting.write, "--users", USERS, "--sessions", SESSIONS, "--nodes", NODES),
        *("--chunk-rate", CHUNK_RATE, "--duration", DURATION_S),
        *("--node-work-ms", setting.node_work_ms, "--save-lag-ms", setting.save_lag_ms),
        *("--store-latency-ms", setting.store_latency_ms),
        *("--no-report", "--json", "--out", folder),
    )
    assert done.code in (0, 98), done.stderr
    if not done.document["valid"]:
        reasons: list[str] = done.document["invalid_because"]
        return reasons
    run = load_run(folder)
    rest = measured_rest(run, setting)
    if rest.gap_ms() > setting.gap_ms / 4:
        return [f"the machine added {rest.gap_ms():.1f} ms to a gap of {setting.gap_ms} ms"]
    return Lived(setting, done.document["results"], planned_gaps(run), rest)


def planned_gaps(run: Run) -> tuple[tuple[float, ...], ...]:
    """From the start of each answer of the first cell to its first chunk, and from there on."""
    chunks, joins = run.published, run.connections
    starts = joins[joins["cell"] == 0].groupby("session_id")["join_earliest_ns"].first()
    first_cell = chunks[chunks["cell"] == 0].sort_values("intended_ns")
    return tuple(
        tuple(np.diff(of_session["intended_ns"], prepend=starts[session]) / 1e6)
        for session, of_session in first_cell.groupby("session_id")
    )


def measured_rest(run: Run, setting: Setting) -> Rest:
    """Of the first cell: its trips and pauses, less what the settings say."""
    joins = run.joins[run.joins["connect"] == setting.connect]
    chunks = run.published[run.published["cell"] == 0]
    read_sent, read_done = instants(run, joins, "read_sent_ns", "read_done_ns")
    sent, done = instants(run, joins, "subscribe_sent_ns", "subscribe_done_ns")
    publish_sent, publish_done = instants(run, chunks, "publish_sent_ns", "publish_done_ns")
    save_sent, save_done = instants(run, chunks, "save_sent_ns", "save_done_ns")
    asked = ~joins["subscribe_shared"].to_numpy(dtype=bool)
    trips = (read_done - read_sent, (done - sent)[asked], publish_done - publish_sent)
    one_way = [evenly(trip) / 2 for trip in (*trips, save_done - save_sent)]
    return Rest(
        beyond(np.concatenate(one_way), setting.store_latency_ms),
        beyond(evenly(np.maximum(sent - read_done, read_sent - done)), setting.node_work_ms),
        beyond(evenly(save_sent - publish_done), setting.save_lag_ms),
    )


def instants(run: Run, frame: Any, *columns: str) -> list[Instants]:
    """Columns in ms."""
    return [run.instants(frame, column) / 1e6 for column in columns]


def evenly(values: Durations, count: int = 200) -> Durations:
    """As many values of every kind: the middles of equally likely parts."""
    found: Durations = np.quantile(values, (np.arange(count) + 0.5) / count)
    return found


def beyond(values: Durations, asked_ms: float) -> Durations:
    """One command, or no pause, has no rest."""
    return np.maximum(values - asked_ms, 0)


# --- simulated ---


def lost_by_replica(lived: Lived, setting: Setting, connect: str) -> NDArray[np.int64]:
    """Lost chunks of every simulated connection, shape (REPLICAS, USERS)."""
    planned, rest = Planned(lived.gaps_ms), lived.rest
    simulated = Simulated(
        connections=USERS * REPLICAS,
        sessions=SESSIONS * REPLICAS,
        watchers=USERS // SESSIONS,
        nodes=NODES,
        arrivals=planned,
        chunk_rate=1_000 / planned.mean_ms,
        message_chunks=round(statistics.fmean(map(len, lived.gaps_ms))),
        store_latency=with_rest(setting.store_latency_ms, rest.one_way),
        node_work=with_rest(setting.node_work_ms, rest.node_work),
        save_lag=with_rest(setting.save_lag_ms, rest.save_lag),
        engine=Engine.VECTORISED,
    )
    timelines = timelines_by_law(simulated, WRITE_ORDERINGS[setting.write])
    found = list(vectorised.outcomes(simulated, CONNECT_ORDERINGS[connect], timelines))
    session = np.concatenate([outcome.session for outcome in found])
    lost = np.concatenate([outcome.lost for outcome in found])
    return lost[np.argsort(session, kind="stable")].reshape(REPLICAS, USERS)


def with_rest(asked_ms: float, rest: Durations) -> Empirical:
    """The setting, and what the machine adds."""
    return empirical((asked_ms + rest).tolist())


def intervals(lived: Lived, setting: Setting) -> list[tuple[float, float]]:
    """Of the loss rate, and of the lost chunks a connection."""
    lost = lost_by_replica(lived, setting, setting.connect)
    return [interval((lost > 0).mean(axis=1)), interval(lost.mean(axis=1))]


def interval(replicas: Durations) -> tuple[float, float]:
    """Where one more value lies, but for EACH_FALSE_ALARM."""
    count = len(replicas)
    width = float(student.isf(EACH_FALSE_ALARM / 2, count - 1)) * (1 + 1 / count) ** 0.5
    middle, deviation = float(replicas.mean()), float(replicas.std(ddof=1))
    return middle - width * deviation, middle + width * deviation


def figures(lived: Lived) -> Sequence[float]:
    """The same two of the live run."""
    result = lived.results[0]
    return result["loss_rate"], result["chunks_lost"] / result["connections"]
