"""Mutants in virtual time: each fails as its story says, and the pair it should have been does not.

2,000 clients, pauses of 20 ms (nodes) and 60 ms (producer), a store 5 ms away. Each expects about a
hundred failures or more, and the same seed gives the same result.
"""

from dataclasses import replace

import pytest
from mutants import CAUGHT_BY, MUTANTS, SIMULATE
from wide_kit import rarely

from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.virtual.distributions import Constant, LogNormal
from chunk7.simulator.virtual.settings import Arrivals, SimulationSettings
from chunk7.simulator.virtual.simulate import simulate

SETTINGS = SimulationSettings(
    connections=2_000,
    sessions=50,
    node_work=Constant(20),
    save_lag=Constant(60),
    store_latency=LogNormal(5, 0.5),
)
COUNTS = {
    Failure.LOSSY: "chunks_lost",
    Failure.DUPLICATING: "chunks_duplicate",
    Failure.OUT_OF_ORDER: "chunks_out_of_order",
}


@pytest.mark.parametrize("arrivals", [Arrivals.POISSON, rarely(Arrivals.BURSTY)])
@pytest.mark.parametrize("name", [name for name in MUTANTS if SIMULATE in CAUGHT_BY[name]])
def test_the_simulation_catches(name: str, arrivals: Arrivals) -> None:
    mutant = MUTANTS[name]
    assert mutant.client is None
    assert mutant.stream_max_entries is None
    assert failures(mutant.fails, mutant.connect, mutant.write, arrivals) >= 100
    assert failures(mutant.fails, *mutant.sound, arrivals) == 0


def failures(
    kind: Failure, connect: ConnectOrdering, write: WriteOrdering, arrivals: Arrivals
) -> int:
    """How many chunks fail so."""
    cell = simulate(replace(SETTINGS, arrivals=arrivals), connect, write)
    count: int = getattr(cell, COUNTS[kind])
    return count
