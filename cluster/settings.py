"""What one run was asked to do: frozen, and checked as far as one value can be without another."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from chunk7.analysis.thresholds import Threshold, parse_threshold
from chunk7.cluster.cells import Cells, try_and_choose
from chunk7.cluster.deployments.local import Local
from chunk7.cluster.options import names
from chunk7.delivery.errors import UsageError
from chunk7.loadtest.join_schedule import settle_ms, slot_count
from chunk7.wire.timetable import Order

LEAD_MS = 500
BEYOND_TIMETABLE_S = 45.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of `chunk7 run`. Times and rates as in docs/command-line.md."""

    cells: Cells
    nodes: int
    users: int
    sessions: int
    chunk_rate: float
    duration_s: float
    node_work_ms: float
    store_latency_ms: float
    stream_max_entries: int | None
    save_lag_ms: float
    jitter: float
    answers: Path | None
    seed: int
    redis: str | None = field(repr=False)
    processes: int
    thresholds: tuple[Threshold, ...]

    @property
    def settle_ms(self) -> int:
        """Quiet time after each cell."""
        return settle_ms(self.node_work_ms, self.save_lag_ms, self.store_latency_ms)

    def order(self, run_name: str) -> Order:
        """What the load test will ask the producer for."""
        return Order(
            run=run_name,
            cells=list(self.cells.cells),
            seed=self.seed,
            sessions=self.sessions,
            duration_ms=round(self.duration_s * 1_000),
            settle_ms=self.settle_ms,
            lead_ms=LEAD_MS,
            chunk_rate=self.chunk_rate,
            jitter=self.jitter,
            save_lag_ms=self.save_lag_ms,
        )

    @property
    def local(self) -> Local:
        """The cluster that the run needs."""
        return Local(
            nodes=self.nodes,
            users=self.users,
            node_work_ms=self.node_work_ms,
            store_latency_ms=self.store_latency_ms,
            stream_max_entries=self.stream_max_entries,
            redis=self.redis,
            answers=self.answers,
            connect_files=self.cells.connect_files,
            write_files=self.cells.write_files,
        )

    @property
    def length_s(self) -> float:
        """How long the load lasts, by the timetable."""
        return len(self.cells.cells) * (self.duration_s + self.settle_ms / 1_000)

    @property
    def limit_s(self) -> float:
        """How long Locust may take for it: it has to start, to spawn its users, and to end."""
        return self.length_s + BEYOND_TIMETABLE_S


def read_settings(args: argparse.Namespace) -> Settings:
    """The settings of a parsed command line; raises UsageError in one line."""
    settings = Settings(
        cells=try_and_choose(names(args.connect), names(args.write)),
        nodes=args.nodes,
        users=args.users,
        sessions=args.sessions,
        chunk_rate=args.chunk_rate,
        duration_s=args.duration,
        node_work_ms=args.node_work_ms,
        store_latency_ms=args.store_latency_ms,
        stream_max_entries=args.stream_max_entries,
        save_lag_ms=args.save_lag_ms,
        jitter=args.jitter,
        answers=args.answers,
        seed=args.seed,
        redis=args.redis,
        processes=args.processes,
        thresholds=tuple(map(parse_threshold, args.threshold)),
    )
    slots = slot_count(round(settings.duration_s * 1_000))
    if slots > 1 and settings.settle_ms >= settings.duration_s * 1_000 / slots:
        raise UsageError(
            f"--duration {settings.duration_s:g}: a join may take {settings.settle_ms} ms with "
            f"these latencies, so it must be below 7.5 s, which is one join a user"
        )
    return settings
