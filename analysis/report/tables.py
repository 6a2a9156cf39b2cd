"""The report's tables, from a judged run's results and finished tables."""

from collections.abc import Sequence

import pandas as pd

from chunk7.analysis.conclusion import standing
from chunk7.analysis.faults import planned_deaths
from chunk7.analysis.report.table import Column, Shown, Table, numeric, worded
from chunk7.analysis.report.words import CAUSES, mark_of, number, percent
from chunk7.analysis.results import Result, Summary
from chunk7.analysis.study import Study
from chunk7.analysis.tables import prices, processes
from chunk7.delivery.verdicts import Cause


def cells_table(summary: Summary) -> Table:
    """What each cell lost, and what the law expected it to."""
    results = summary.results
    columns = [
        Column("cell", "connect ordering x write ordering", numeric=False),
        Column(
            "verdict",
            "loses: at least one chunk; keeps all: none was seen; can lose: none was seen, but "
            "an interleaving of the same steps loses one",
            numeric=False,
        ),
        Column("lossy connections", "those that lost a chunk, of all that opened"),
        Column("loss rate", "lossy connections of all, with its 95% interval, by session"),
        Column("chunks lost", "over all connections"),
        Column("undetermined", "chunks of which nobody can know, of all that were expected"),
        Column("law expects", "lost chunks that the law predicts from the instants measured"),
        Column("duplicates", "receipts of a chunk after its first"),
        Column("out of order", "chunks that came after one with a higher number"),
        Column("rewinds", "times that the text jumped back: a lower number than just before"),
        Column("fetched", "chunks that the client had to ask for"),
    ]
    widest = max((r.loss_rate_high or 0.0 for r in results), default=0.0) or 1.0
    rows = [_cell_row(result, summary.valid, widest) for result in results]
    return Table("Every cell of the run", columns, rows)


def _cell_row(result: Result, valid: bool, widest: float) -> list[Shown]:
    low, high = result.chunks_lost_predicted_low, result.chunks_lost_predicted_high
    between = "" if low is None or high is None else f"{number(low)} to {number(high)}"
    expects = numeric(result.chunks_lost_predicted, 1, between)
    return [
        _name(result.connect, result.write),
        worded(standing(result).value, mark=mark_of(result, valid)),
        numeric(result.lossy_connections, note=f"of {number(result.connections, 0)}"),
        _rate(result, widest),
        numeric(result.chunks_lost),
        _undetermined(result),
        expects,
        numeric(result.chunks_duplicate),
        numeric(result.chunks_out_of_order),
        numeric(result.rewinds),
        numeric(result.chunks_fetched),
    ]


def _name(connect: str, write: str) -> Shown:
    return worded(connect, f"x {write}")


def _undetermined(result: Result) -> Shown:
    """The share only where there is one: it says whether the verdict can stand."""
    share = result.chunks_undetermined / max(1, result.chunks_expected)
    return numeric(result.chunks_undetermined, note=percent(share) if share else "")


def _rate(result: Result, widest: float) -> Shown:
    rate, low, high = result.loss_rate, result.loss_rate_low, result.loss_rate_high
    if rate is None or low is None or high is None:
        return numeric(None)
    note = f"{percent(low)} to {percent(high)}"
    return Shown(percent(rate), rate, note, bar=(low / widest, rate / widest, high / widest))


def times_table(results: Sequence[Result]) -> Table:
    """How long the risk window, the gap, the join and a live chunk's way took."""
    columns = [Column("cell", numeric=False)]
    for title, meaning in (
        ("window", "subscription effective less history read; negative: it subscribed first"),
        ("gap", "window plus how long after its publication a chunk was saved"),
        ("join", "from opening the connection to the history, at the client"),
        ("live chunk", "from sending the publication to the client's receipt"),
    ):
        columns += [Column(f"{title} {part}, ms", meaning) for part in ("p50", "p95", "p99")]
    rows = [
        [
            _name(r.connect, r.write),
            *(
                numeric(value, 1)
                for times in (r.window_ms, r.gap_ms, r.join_ms, r.chunk_latency_ms)
                for value in (times.p50, times.p95, times.p99)
            ),
        ]
        for r in results
    ]
    return Table("Times of each cell: medians, 95th and 99th percentiles", columns, rows)


_PRICES = (
    ("duplicates", "duplicates per connection", "the client has to drop them", 2),
    ("out_of_order", "out of order per connection", "the client has to sort them", 2),
    ("fetched", "fetched per connection", "the client has to ask for them", 2),
    ("join_ms_p50", "join p50, ms", "until the client has the history", 1),
    ("join_ms_p95", "join p95, ms", "until the client has the history", 1),
    ("chunk_latency_ms_p50", "live chunk p50, ms", "from publication to receipt", 1),
    ("chunk_latency_ms_p95", "live chunk p95, ms", "from publication to receipt", 1),
    ("memory_bytes_per_chunk", "store memory per chunk, bytes", "by MEMORY USAGE", 0),
    ("commands_per_connection", "store commands per connection", "sent by the nodes", 1),
    ("commands_per_chunk", "store commands per chunk", "sent by the producer", 1),
)


def prices_table(study: Study) -> Table:
    """What each cell costs client, node and store."""
    columns = [Column("cell", numeric=False)]
    columns += [Column(title, meaning) for _, title, meaning, _ in _PRICES]
    rows = [
        [
            _name(row["connect"], row["write"]),
            *(numeric(_float(row[key]), digits) for key, _, _, digits in _PRICES),
        ]
        for row in prices(study).to_dict("records")
    ]
    return Table("What each cell costs", columns, rows)


def causes_table(results: Sequence[Result]) -> Table:
    """Lost chunks by cause and cell, with each cause in words."""
    columns = [
        Column("cause", numeric=False),
        Column("chunks lost"),
        Column("what happened", numeric=False),
        Column("in", numeric=False),
    ]
    rows = []
    for cause in Cause:
        where = {r.name: r.causes[cause] for r in results if r.causes.get(cause)}
        if where:
            title, words = CAUSES[cause]
            cells = "; ".join(f"{name}: {count:,}" for name, count in where.items())
            fields = [numeric(sum(where.values())), worded(words), worded(cells)]
            rows.append([worded(title), *fields])
    return Table("Why chunks were lost", columns, rows)


def processes_table(study: Study) -> Table:
    """How each process fared: whether its machine or its clock could have spoilt the run."""
    columns = [
        Column("process", numeric=False),
        Column("records", "whether it closed them itself", numeric=False),
        Column("worst loop lag, ms", "how late its event loop ran, at most, in any second"),
        Column("p95 loop lag, ms", "the same, in 95% of its seconds"),
        Column("most memory, MB"),
        Column("clock uncertainty, ms", "of its best measurement against the store's clock"),
        Column("clock drift, ms", "how far its measurements against the store's clock differ"),
    ]
    planned = planned_deaths(study.run)
    rows = [
        [
            worded(row["process"], row["part"]),
            _records(row["complete"], row["process"] in planned),
            numeric(_float(row["loop_lag_ms_max"]), 1),
            numeric(_float(row["loop_lag_ms_p95"]), 1),
            numeric(_float(row["rss_mb_max"])),
            numeric(_float(row["clock_uncertainty_ms"]), 3),
            numeric(_float(row["clock_drift_ms"]), 3),
        ]
        for row in processes(study).to_dict("records")
    ]
    return Table("How the processes fared", columns, rows)


def _records(complete: bool, planned: bool) -> Shown:
    if complete:
        return worded("complete")
    return worded("killed on purpose") if planned else worded("cut short", mark="loses")


def _float(value: object) -> float | None:
    return None if pd.isna(value) else float(value)  # type: ignore[arg-type]
