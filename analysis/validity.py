"""Whether a run may be believed. Every reason against it is one line with its numbers.

What a fault that struck on purpose has done is no reason, and is written down as an excuse.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chunk7.analysis.excuses import NO_EXCUSES, Excuses, excuses_of
from chunk7.analysis.replacements import replacements
from chunk7.analysis.run_folder import Run
from chunk7.analysis.verdicts import Judgement, has_known_outcome
from chunk7.wire.account import MOST_UNDETERMINED


@dataclass(frozen=True, slots=True)
class ValidityLimits:
    """What a run may have and still be valid."""

    never_opened: float = 0.01
    """Of a cell's connections."""
    loop_lag_ms: float = 50.0
    """95% of a process's seconds: the worst lateness of its event loop."""
    joins_late_ms: float = 100.0
    """95% of a cell's joins, against their plan."""
    chunks_late_ms: float = 100.0
    """95% of a cell's chunks, against their plan."""
    clock_skew_ms: float = 5.0
    """Beyond the uncertainty of the measurement."""
    undetermined: float = MOST_UNDETERMINED
    """Of a cell's expected chunks."""
    undetermined_so_far: float = 0.5
    """While it is recorded: of those that were expected by the connections that have ended."""


def reasons(
    run: Run, judgement: Judgement, limits: ValidityLimits = ValidityLimits(), running: bool = False
) -> list[str]:
    """Why the run is not valid; empty when it is.

    `running`: of a run that is still recorded only what no later record can mend counts. That
    records have no end, a cell has nothing yet, a connection is open, or was recorded by one of
    two processes only, and chunks are still on their way, is as it should be.
    """
    return _against(run, judgement, limits, running, excuses_of(run))


def excused(
    run: Run, judgement: Judgement, limits: ValidityLimits = ValidityLimits(), running: bool = False
) -> list[str]:
    """What would speak against the run if no fault had struck it on purpose; else as `reasons`."""
    excuses = excuses_of(run)
    if excuses.none:
        return []
    held = _against(run, judgement, limits, running, excuses)
    without = _against(run, judgement, limits, running, NO_EXCUSES)
    return [line for line in without if line not in held]


def _against(
    run: Run, judgement: Judgement, limits: ValidityLimits, running: bool, excuses: Excuses
) -> list[str]:
    against = [
        *_clocks(run, limits, excuses),
        *_replaced(run, excuses),
        *_contradictions(run, judgement),
        *_never_opened(run, limits, running, excuses),
        *_saturated(run, limits, excuses),
        *_late(run, limits, excuses),
        *_do_not_cross_foot(judgement),
    ]
    if running:
        ended = run.connections["closed_ns"].notna().to_numpy(dtype=bool)
        limit = limits.undetermined_so_far
        return [*against, *_undetermined(run, judgement, limit, excuses, ended)]
    return [
        *_cut_short(run, excuses),
        *_endless(run, excuses),
        *_nothing_happened(run),
        *against,
        *_one_sided(run, excuses),
        *_not_asked(run),
        *_broken_off(run, limits),
        *_undetermined(run, judgement, limits.undetermined, excuses),
    ]


def _cut_short(run: Run, excuses: Excuses) -> Iterator[str]:
    cut = run.processes.loc[~run.processes["complete"].astype(bool), "process"]
    for process in cut[~cut.isin(excuses.deaths)]:
        yield f"{process} was cut short: its records have no end"


def _endless(run: Run, excuses: Excuses) -> Iterator[str]:
    """A fault that was never taken back has spoilt the cells that followed; a run may end first."""
    endless = excuses.struck[excuses.struck["ended_ns"].isna()]
    for fault in endless[endless["cell"] < len(run.manifest.plan.cells) - 1].itertuples():
        cell = _cell_name(run, fault.cell)
        yield f"the fault {fault.name} {fault.target} that began in {cell} has no recorded end"


def _clocks(run: Run, limits: ValidityLimits, excuses: Excuses) -> Iterator[str]:
    if (run.clocks["uncertainty_ns"] < 0).any():
        yield "clock skew: a clock was measured with an uncertainty below 0"
    lacking = run.processes.loc[~run.processes["aligned"].astype(bool), "process"]
    for process in lacking[~lacking.isin(excuses.deaths)]:
        yield f"{process} runs on another host and has no clock offset"
    boots = run.processes.set_index("process")["boot_id"]
    clocks = run.clocks.assign(boot_id=boots.reindex(run.clocks["process"]).to_numpy())
    for boot_id, rows in clocks.groupby("boot_id"):
        offset_ms = rows["offset_ns"].to_numpy(dtype=float) / 1e6
        uncertain_ms = 2 * rows["uncertainty_ns"].to_numpy(dtype=float).max() / 1e6
        skew_ms = offset_ms.max() - offset_ms.min()
        if skew_ms > limits.clock_skew_ms + uncertain_ms:
            who = ", ".join(sorted(set(rows["process"])))
            yield (
                f"clock skew: the offset of host {boot_id or 'local'} to the store varies by "
                f"{skew_ms:.1f} ms (limit {limits.clock_skew_ms:g} + {uncertain_ms:.1f} ms) "
                f"over {who}"
            )


def _replaced(run: Run, excuses: Excuses) -> Iterator[str]:
    """Data went, or may have gone, that nobody planned to lose: no ordering is judged by that."""
    found = replacements(run)
    at_ns = np.array([replacement.first_ns for replacement in found])
    for replacement, excused in zip(found, excuses.excuse_replacement(at_ns), strict=True):
        if not excused:
            who = ", ".join(sorted(replacement.found_ns))
            yield (
                f"another server took the store's place ({replacement.servers}, found by {who}): "
                "what the one before had may be lost"
            )


_IN_ORDER = {
    "published": [("publish_sent_ns", "publish_done_ns"), ("save_sent_ns", "save_done_ns")],
    "joins": [
        ("accepted_ns", "read_sent_ns"),
        ("read_sent_ns", "read_done_ns"),
        ("subscribe_sent_ns", "subscribe_done_ns"),
        ("read_sent_ns", "welcomed_ns"),
    ],
    "connections": [
        ("opening_ns", "connected_ns"),
        ("opening_ns", "closed_ns"),
        ("join_earliest_ns", "join_latest_ns"),
    ],
    "returns": [
        ("lost_ns", "opening_ns"),
        ("opening_ns", "connected_ns"),
        ("connected_ns", "history_ns"),
    ],
}


def _contradictions(run: Run, judgement: Judgement) -> Iterator[str]:
    for name, pairs in _IN_ORDER.items():
        frame = getattr(run, name)
        for before, after in pairs:
            backwards = run.instants(frame, after) < run.instants(frame, before)
            if backwards.any():
                yield f"negative window: {backwards.sum()} {name} have {after} before {before}"
    yield from _both_ways(run)
    early = int(judgement.accounts["before_published"].sum())
    if early:
        yield f"clock skew: {early} live chunks were received before they were published"
    early = int(judgement.accounts["before_opened"].sum())
    if early:
        yield f"contradictory records: {early} receipts came before their connection was opened"
    chunk = ["session_id", "message_id", "index"]
    twice = int(run.published.dropna(subset=chunk).duplicated(chunk).sum())
    if twice:
        yield f"contradictory records: {twice} chunks were written down twice"


def _both_ways(run: Run) -> Iterator[str]:
    """An ordering has one order of its read and its subscription, so its joins must agree.

    Those whose read and subscription were under way at once say nothing about it.
    """
    read_sent, read_done, subscribe_sent, subscribe_done = (
        run.instants(run.joins, f"{name}_ns")
        for name in ("read_sent", "read_done", "subscribe_sent", "subscribe_done")
    )
    order = pd.DataFrame({"first": subscribe_done < read_sent, "after": subscribe_sent > read_done})
    for connect, joins in order.groupby(run.joins["connect"]):
        before, after = int(joins["first"].sum()), int(joins["after"].sum())
        if before and after:
            yield (
                f"negative window: {connect} subscribed before it read in {before} joins and "
                f"after it in {after}"
            )


def _nothing_happened(run: Run) -> Iterator[str]:
    for cell, of_cell in enumerate(run.manifest.plan.cells):
        sent = run.published.loc[run.published["cell"] == cell, "seq"]
        if not (sent > 0).any():
            yield f"nothing was published for {of_cell.name}"
        if not (run.connections["cell"] == cell).any():
            yield f"nobody connected for {of_cell.name}"


def _never_opened(
    run: Run, limits: ValidityLimits, running: bool, excuses: Excuses
) -> Iterator[str]:
    never = run.connections["connected_ns"].isna() & run.connections["closed_ns"].notna()
    if running:  # a user that is stopped while it connects has no error to tell
        never &= run.connections["error"].notna()
    never = never[~excuses.excuse(run.instants(run.connections, "opening_ns"))]
    for name, part in _by_cell(run, run.connections, never):
        if part.mean() > limits.never_opened:
            yield (
                f"{part.sum()} of {len(part)} connections of {name} never opened "
                f"{excuses.aside}(limit {limits.never_opened:.0%})"
            )


def _not_asked(run: Run) -> Iterator[str]:
    """Answers of a target of which nobody knows what they should have said."""
    failed = run.events[run.events["kind"] == "ask_failed"]
    if len(failed):
        yield f"{len(failed)} answers were not begun, or not kept: {failed['detail'].iloc[0]}"


def _broken_off(run: Run, limits: ValidityLimits) -> Iterator[str]:
    """A target that died, or was started again, under its clients: what they lacked from then on
    is nobody's verdict, and too few may be left to judge it by."""
    if run.manifest.target is None:
        return
    broken = run.connections["close_code"].notna() & ~run.connections["by_server"].fillna(True)
    for name, part in _by_cell(run, run.connections, broken):
        if part.mean() > limits.never_opened:
            codes = run.connections.loc[part.index[part], "close_code"].value_counts()
            how = ", ".join(f"{int(code)} {_CLOSED[int(code)]}" for code in codes.index)
            yield (
                f"{part.sum()} of {len(part)} connections of {name} were broken off by the target "
                f"(limit {limits.never_opened:.0%}): {how}"
            )


_CLOSED = defaultdict(
    lambda: "(its own code)",
    {
        1001: "(it went away)",
        1006: "(without a word: it died, or was killed)",
        1011: "(an error of its own, which its log may tell)",
        1012: "(it was started again)",
        1013: "(it was too busy)",
    },
)
"""What a target says by closing with a code (RFC 6455, 7.4.1, and IANA's registry)."""


def _saturated(run: Run, limits: ValidityLimits, excuses: Excuses) -> Iterator[str]:
    told = run.health[~excuses.excuse_second(run.instants(run.health, "at_ns"))]
    for process, rows in told.groupby("process"):
        lags_ms = np.sort(rows["loop_lag_ms"].dropna().to_numpy(dtype=float))
        # One second in twenty may be bad, and in a short run one: a single stall is the machine's,
        # and p95 of seven seconds is nearly their maximum.
        kept = lags_ms[: len(lags_ms) - math.ceil(0.05 * len(lags_ms))]
        if len(kept) and kept[-1] > limits.loop_lag_ms:
            yield (
                f"{process} was saturated: its event loop ran up to {lags_ms[-1]:.0f} ms late, "
                f"more than the limit of {limits.loop_lag_ms:g} ms in "
                f"{(lags_ms > limits.loop_lag_ms).sum()} of {len(lags_ms)} seconds"
            )


def _late(run: Run, limits: ValidityLimits, excuses: Excuses) -> Iterator[str]:
    for what, frame, actual, limit_ms in (
        ("joins", run.connections, "opening_ns", limits.joins_late_ms),
        ("chunks", run.published, "started_ns", limits.chunks_late_ms),
    ):
        due_ns = run.instants(frame, "intended_ns")
        late = pd.Series((run.instants(frame, actual) - due_ns) / 1e6, frame.index)
        if what == "chunks":  # who joins late is not the server's doing
            late = late[~excuses.excuse(due_ns)]
        for name, part in _by_cell(run, frame, late):
            late_ms = _p95(part)
            if late_ms > limit_ms:
                yield (
                    f"{what} of {name} came {late_ms:.0f} ms after their plan "
                    f"(p95 of {len(part)}; limit {limit_ms:g} ms)"
                )


def _do_not_cross_foot(judgement: Judgement) -> Iterator[str]:
    a = judgement.accounts
    wrong = (a["expected"] != a["delivered"] + a["lost"] + a["undetermined"]) | (
        a["receipts"] != a["delivered"] + a["duplicate"] + a["unexpected"] + a["unrecorded"]
    )
    if wrong.any():
        yield f"the accounts of {wrong.sum()} connections do not cross-foot"


def _one_sided(run: Run, excuses: Excuses) -> Iterator[str]:
    """What one process recorded and another, which recorded to its end, did not."""
    if _complete(run, "loadtest", excuses):
        endless = int(run.connections["closed_ns"].isna().sum())
        if endless:
            yield f"{endless} connections have no recorded end"
        ours = {*run.connections["connection_id"], *run.returns["connection_id"]}
        strange = int((~run.joins["connection_id"].isin(ours)).sum())
        if strange:
            yield f"nodes recorded {strange} joins of connections that the load test did not open"
    if _complete(run, "node", excuses):
        welcome_ns = run.instants(run.connections, "welcome_ns")
        kept = ~np.isnan(welcome_ns) & ~excuses.unwritten(welcome_ns)
        welcomed = run.connections.loc[kept, "connection_id"]
        returned = run.returns["connection_id"].isin(run.joins["connection_id"])
        seen = {*run.joins["connection_id"], *run.returns.loc[returned, "first_id"]}
        unseen = int((~welcomed.isin(seen)).sum())
        if unseen:
            yield f"no node recorded the joins of {unseen} connections that were welcomed" + (
                excuses.but_the_killed
            )


def _undetermined(
    run: Run,
    judgement: Judgement,
    limit: float,
    excuses: Excuses,
    among: NDArray[np.bool_] | None = None,
) -> Iterator[str]:
    """`among`, shape (connections,): whose chunks count; None is everybody's."""
    accounts = judgement.accounts[["undetermined", "expected"]].copy()
    accounts["undetermined"] -= _unanswered(run, judgement, excuses)
    if among is not None:
        accounts = accounts[among]
    for cell, row in accounts.groupby(run.connections["cell"]).sum().iterrows():
        if row["undetermined"] > limit * row["expected"]:
            yield (
                f"{row['undetermined']} of {row['expected']} chunks expected in "
                f"{_cell_name(run, cell)} are undetermined {excuses.aside}(limit {limit:.0%})"
                f"{_slowness(run, judgement, cell)}"
            )


def _unanswered(run: Run, judgement: Judgement, excuses: Excuses) -> NDArray[np.int64]:
    """Of each connection's undetermined chunks, those whose write was not answered in the time of
    a fault; shape (connections,)."""
    missing = judgement.missing[~judgement.missing["lost"].to_numpy(dtype=bool)]
    chunk = missing["chunk"].to_numpy(dtype=np.int64)
    sent_ns = np.fmin(*(run.instants(run.published, f"{n}_sent_ns") for n in ("publish", "save")))
    hit = (~has_known_outcome(run.published) & excuses.excuse(sent_ns))[chunk]
    who = missing["connection"].to_numpy(dtype=np.int64)[hit]
    counts = np.bincount(who, minlength=len(run.connections))
    of_rows: NDArray[np.int64] = counts[judgement.accounts.index.to_numpy()]
    return of_rows


def _slowness(run: Run, judgement: Judgement, cell: Any) -> str:
    """What a target's own pace has to do with it."""
    if run.manifest.target is None:
        return ""
    cells = run.connections["cell"].to_numpy()
    of_cell = [ms for row, ms in judgement.latency_ms.items() if cells[row] == cell and len(ms)]
    slowest_ms = max((float(ms.max()) for ms in of_cell), default=0.0)
    if slowest_ms < run.manifest.settle_ms:
        return ""
    return f": the target took up to {slowest_ms:,.0f} ms for a chunk, so more may have been coming"


def _by_cell(run: Run, frame: pd.DataFrame, values: pd.Series) -> Iterator[tuple[str, pd.Series]]:
    for cell, part in values.groupby(frame["cell"]):
        yield _cell_name(run, cell), part


def _cell_name(run: Run, cell: Any) -> str:
    return run.manifest.plan.cells[int(cell)].name


def _complete(run: Run, part: str, excuses: Excuses) -> bool:
    """Whether every process of this part, and every one of unknown part, ended properly; or was
    killed on purpose, as then it is known what it cannot have recorded."""
    of_part = run.processes["part"].isin([part, ""])
    expected = of_part & ~run.processes["process"].isin(excuses.deaths)
    return bool(run.processes.loc[expected, "complete"].astype(bool).all())


def _p95(values: pd.Series) -> float:
    known = values.dropna().to_numpy(dtype=float)
    return float(np.quantile(known, 0.95)) if len(known) else 0.0
