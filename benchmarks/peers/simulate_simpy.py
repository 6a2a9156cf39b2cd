"""The same cluster in SimPy: history_then_subscribe x publish_then_save, lognormal durations.

    python simulate_simpy.py commands|joins CONNECTIONS SEED

`commands` is how people write it: every command, reply and delivery of a chunk is an event.
`joins` is careful: chunks are instants that are drawn before anybody joins and counted by binary
search, as in chunk7, so that only the steps of the joins are events.

Prints {"seconds": CPU, "lost": chunks} of the simulation alone.
"""

import json
import math
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

SESSIONS, CHUNKS, CHUNK_RATE = 64, 200, 50.0
ANSWER_MS = CHUNKS * 1_000 / CHUNK_RATE
LATENCY_MS, WORK_MS, LAG_MS, SIGMA = 0.5, 10.0, 5.0, 0.5

Process = Generator[Any, Any, None]


class Durations:
    """Lognormal milliseconds, drawn ten thousand at a time."""

    def __init__(self, rng: np.random.Generator, median_ms: float) -> None:
        self._rng, self._mean = rng, math.log(median_ms)
        self._drawn: list[float] = []

    def next(self) -> float:
        """One of them."""
        if not self._drawn:
            self._drawn = self._rng.lognormal(self._mean, SIGMA, 10_000).tolist()
        return self._drawn.pop()


class Cluster:
    """What both models draw."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.latency = Durations(self.rng, LATENCY_MS)
        self.work = Durations(self.rng, WORK_MS)
        self.lag = Durations(self.rng, LAG_MS)
        self.lost = self.lossy = self.duplicates = 0
        self.causes = {"save_lag": 0, "handover_gap": 0}
        self.window_ms: list[float] = []
        self.join_ms: list[float] = []

    def intended(self) -> list[float]:
        """Poisson chunks of one answer."""
        return np.sort(self.rng.uniform(0, ANSWER_MS, self.rng.poisson(CHUNKS))).tolist()

    def joins(self, count: int) -> list[float]:
        """When so many clients join an answer."""
        return np.sort(self.rng.uniform(0, ANSWER_MS, count)).tolist()


def joins(cluster: Cluster, connections: int) -> None:
    """Only the steps of the joins are events; what comes of each is counted when it has joined."""
    env = simpy.Environment()
    answers = [_written(cluster, cluster.intended()) for _ in range(SESSIONS)]
    env.process(_arrivals(env, cluster, cluster.joins(connections), answers))
    env.run()


def _written(cluster: Cluster, intended: list[float]) -> tuple[list[float], list[float]]:
    """The instants at which an answer's chunks are published, and saved, both in order."""
    publish, save = [], []
    last_publish = last_save = 0.0
    for at in intended:
        last_publish = max(at + cluster.latency.next(), last_publish)
        replied = last_publish + cluster.latency.next() + cluster.lag.next()
        last_save = max(replied + cluster.latency.next(), last_save)
        publish.append(last_publish)
        save.append(last_save)
    return publish, save


def _arrivals(
    env: simpy.Environment,
    cluster: Cluster,
    joins_ms: list[float],
    answers: list[tuple[list[float], list[float]]],
) -> Process:
    for number, at in enumerate(joins_ms):
        yield env.timeout(at - env.now)
        env.process(_join(env, cluster, *answers[number % SESSIONS]))


def _join(
    env: simpy.Environment, cluster: Cluster, publish: list[float], save: list[float]
) -> Process:
    latency, joined = cluster.latency.next, env.now
    yield env.timeout(latency())
    read, history = env.now, bisect_right(save, env.now)
    yield env.timeout(latency())
    yield env.timeout(cluster.work.next())
    yield env.timeout(latency())
    subscribed, first = env.now, bisect_left(publish, env.now)
    yield env.timeout(latency())
    lost = max(0, first - history)
    late = min(lost, max(0, bisect_right(publish, read) - history))
    cluster.lost += lost
    cluster.causes["save_lag"] += late
    cluster.causes["handover_gap"] += lost - late
    cluster.duplicates += max(0, history - first)
    cluster.lossy += lost > 0
    cluster.window_ms.append(subscribed - read)
    cluster.join_ms.append(env.now - joined)


class Session:
    """One answer at the store, and who has subscribed to it."""

    def __init__(self) -> None:
        self.history: list[int] = []
        self.subscribers: list[Client] = []


class Client:
    """What one client has received."""

    def __init__(self) -> None:
        self.received: set[int] = set()


def commands(cluster: Cluster, connections: int) -> None:
    """Every command is an event, and every delivery; waves of one client an answer."""
    for _ in range(math.ceil(connections / SESSIONS)):
        env = simpy.Environment()
        ends = []
        for _ in range(min(SESSIONS, connections)):
            session, client, intended = Session(), Client(), cluster.intended()
            for index, at in enumerate(intended):
                env.process(_write(env, cluster, session, index, at))
            [at] = cluster.joins(1)
            env.process(_connect(env, cluster, session, client, at))
            ends.append((client, len(intended)))
        env.run()
        cluster.lost += sum(chunks - len(client.received) for client, chunks in ends)


def _write(
    env: simpy.Environment, cluster: Cluster, session: Session, index: int, at: float
) -> Process:
    latency = cluster.latency.next
    yield env.timeout(at)
    yield env.timeout(latency())
    for client in session.subscribers:
        env.process(_deliver(env, cluster, client, index))
    yield env.timeout(latency())
    yield env.timeout(cluster.lag.next())
    yield env.timeout(latency())
    session.history.append(index)
    yield env.timeout(latency())


def _deliver(env: simpy.Environment, cluster: Cluster, client: Client, index: int) -> Process:
    yield env.timeout(cluster.latency.next())
    client.received.add(index)


def _connect(
    env: simpy.Environment, cluster: Cluster, session: Session, client: Client, at: float
) -> Process:
    latency = cluster.latency.next
    yield env.timeout(at)
    yield env.timeout(latency())
    history = list(session.history)
    yield env.timeout(latency())
    client.received.update(history)
    yield env.timeout(cluster.work.next())
    yield env.timeout(latency())
    session.subscribers.append(client)
    yield env.timeout(latency())


def main() -> None:
    """Simulate, and print."""
    model, connections, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    cluster = Cluster(seed)
    began = time.process_time()
    {"commands": commands, "joins": joins}[model](cluster, connections)
    print(json.dumps({"seconds": time.process_time() - began, "lost": cluster.lost}))


if __name__ == "__main__":
    main()
