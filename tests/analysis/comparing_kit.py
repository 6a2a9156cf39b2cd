"""Connections with planted truths, as the comparisons take them: frames, without a run."""

from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.run_comparison import Sample

USERS, SESSIONS, CHUNKS = 120, 10, 200


def connections(
    rng: np.random.Generator,
    name: str = "a x b",
    cell: int = 0,
    lossy: float = 0.2,
    doubles: float = 0.5,
    join_ms: float = 3.0,
    window_ms: float = 6.0,
    users: int = USERS,
    run: str = "r",
) -> pd.DataFrame:
    """Rows as of `Study.connections`, of users who joined once each.

    `lossy`: probability that a connection loses something, one chunk or, half of the times, two;
    `doubles`: mean number of duplicates, a Poisson one; `join_ms`, `window_ms`: medians of times
    that are lognormal with sigma 0.3.
    """
    number = np.arange(users)
    connect, _, write = name.partition(" x ")
    return pd.DataFrame(
        {
            "cell": cell, "name": name, "connect": connect, "write": write,
            "connection_id": 1_000 * cell + number, "user": number, "turn": 0,
            "session_id": [f"{run}-{cell}-{user % SESSIONS}" for user in number],
            "lost": (rng.random(users) < lossy) * rng.integers(1, 3, users), "expected": CHUNKS,
            "duplicate": rng.poisson(doubles, users),
            "join_ms": join_ms * rng.lognormal(0, 0.3, users),
            "window_ms": window_ms * rng.lognormal(0, 0.3, users),
        }
    )  # fmt: skip


def sample(rng: np.random.Generator, latency_ms: float = 2.0, **given: Any) -> Sample:
    """One cell of one run. Each session's chunks have a latency of their own, by a tenth."""
    session = np.repeat(np.arange(SESSIONS), 40)
    own = rng.lognormal(0, 0.1, SESSIONS)[session]
    return Sample(
        connections(rng, **given),
        latency_ms * own * rng.lognormal(0, 0.5, len(session)),
        session,
    )
