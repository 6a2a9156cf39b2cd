"""The bug report's two situations, as far as it describes them; docs/seed-claims.md argues them.

The report gives windows and shares, but neither a chunk rate nor a duty. The presets take 50 chunks
a second, a usual speed of a language model, and let every client join while an answer streams, as
the report's own example does; `--duty` says otherwise.
"""

from dataclasses import dataclass

from chunk7.simulator.virtual.claims import HIGH_LOAD, LOW_LOAD, Claim
from chunk7.simulator.virtual.distributions import Constant, LogNormal
from chunk7.simulator.virtual.settings import Engine, SimulationSettings


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings to start from, and what the report claims of them."""

    settings: SimulationSettings
    claim: Claim


PRESETS: dict[str, Preset] = {
    # W = reply 1 ms + work 8 ms + request 1 ms: the report's shortest window.
    "seed-single-node-low-load": Preset(
        SimulationSettings(
            connections=1_000_000,
            nodes=1,
            store_latency=Constant(1.0),
            node_work=Constant(8.0),
            engine=Engine.VECTORISED,
        ),
        LOW_LOAD,
    ),
    # A median W of about 50 ms, the report's longest, spread as latencies under load are.
    "seed-multi-node-high-load": Preset(
        SimulationSettings(
            connections=1_000_000,
            nodes=3,
            store_latency=LogNormal(5.0, 0.3),
            node_work=LogNormal(39.0, 0.3),
            engine=Engine.VECTORISED,
        ),
        HIGH_LOAD,
    ),
}
