"""Simulate pairs of orderings, ours and other people's; those where they can be stopped."""

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from chunk7.cluster.cells import pairs
from chunk7.cluster.jobs.proof import explored_pair
from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.simulator.explore.guard import guarded
from chunk7.simulator.virtual.chunks import Timeline
from chunk7.simulator.virtual.distributions import parse_distribution
from chunk7.simulator.virtual.presets import PRESETS, Preset
from chunk7.simulator.virtual.settings import (
    Engine,
    JoinSpread,
    SimulationSettings,
    parse_arrivals,
    parse_fault,
)
from chunk7.simulator.virtual.simulate import simulating
from chunk7.wire.account import CellAccount

if TYPE_CHECKING:
    from chunk7.analysis.results import Summary

_AS_GIVEN = (
    "connections", "nodes", "sessions", "watchers", "chunk_rate", "message_chunks", "duty",
)  # fmt: skip
_DURATIONS = ("store_latency", "node_work", "save_lag", "delivery_delay")


def read_preset(name: str | None) -> Preset | None:
    """The preset of that name. Raises UsageError."""
    if name is None:
        return None
    if name not in PRESETS:
        raise UsageError(f"--preset {name}: one of {', '.join(PRESETS)}")
    return PRESETS[name]


def read_settings(args: argparse.Namespace) -> SimulationSettings:
    """The preset's settings, or the usual ones, with the options that were given.

    Raises UsageError in one line that names the option.
    """
    preset = read_preset(args.preset)
    base = preset.settings if preset else SimulationSettings(connections=20_000)
    given: dict[str, Any] = {field: getattr(args, field) for field in _AS_GIVEN}
    for field in _DURATIONS:
        text = getattr(args, f"{field}_ms")
        if text is not None:
            given[field] = parse_distribution(text, f"--{field.replace('_', '-')}-ms")
    if args.arrivals is not None:
        given["arrivals"] = parse_arrivals(args.arrivals, "--arrivals")
    given["joins"] = _member(JoinSpread, args.joins, "--joins")
    given["engine"] = _member(Engine, args.engine, "--engine")
    given["faults"] = tuple(parse_fault(text, "--faults") for text in args.faults)
    given["seed"] = args.seed
    return dataclasses.replace(base, **{k: v for k, v in given.items() if v is not None})


def _member(kind: Any, text: str | None, option: str) -> Any:
    if text is None:
        return None
    if text not in list(kind):
        raise UsageError(f"{option} {text}: must be one of {', '.join(kind)}")
    return kind(text)


@dataclass(frozen=True, slots=True)
class Progressed:
    """Where a simulation is: at a cell, of which `share` (0 to 1) is done."""

    number: int
    """Which cell it is, counted from 1."""
    cells: int
    name: str
    share: float


def simulated(
    settings: SimulationSettings,
    connects: Sequence[str | ConnectOrdering],
    writes: Sequence[str | WriteOrdering],
    follow: Callable[[Progressed], None] = lambda _: None,
) -> Iterator[CellAccount]:
    """What every cell that `chunk7.cluster.cells.pairs` makes of these comes to.

    `follow` is told of every step: before a cell begins, and as it goes on.

    Raises UsageError for orderings that do not exist or pair, OrderingError for one that breaks
    the protocol or loops for ever.
    """

    def job(tick: Callable[[], None]) -> Iterator[Progressed | CellAccount]:
        chosen, written = pairs(connects, writes), dict[str, list[Timeline]]()
        for number, (connect, write, specs) in enumerate(chosen, 1):
            name = f"{connect.name} x {write.name}"
            for item in simulating(settings, connect, write, tick, written):
                if isinstance(item, int):
                    yield Progressed(number, len(chosen), name, item / settings.connections)
                elif settings.faults:  # which the explorer would have to know of
                    yield item
                else:
                    _, found = explored_pair(connect, write, specs, tick)
                    yield msgspec.structs.replace(item, explored=found)

    named = all(isinstance(item, str) and ".py:" not in item for item in (*connects, *writes))
    for item in job(lambda: None) if named else guarded(job):
        if isinstance(item, Progressed):
            follow(item)
        else:
            yield item


def summary_of(cells: Sequence[CellAccount], seed: int, folder: str) -> "Summary":
    """The document of `chunk7 run --json`."""
    from chunk7.analysis.results import Result, Summary  # brings pandas: the first cell waits not

    return Summary(
        valid=True,
        invalid_because=[],
        seed=seed,
        run_dir=folder,
        results=[
            Result(**msgspec.structs.asdict(cell), memory_bytes_per_chunk=None) for cell in cells
        ],
    )
