"""The faults that struck while a run was recorded: when, whom, and who was killed on purpose.

Whoever carries a fault out records two events, `fault_began` and `fault_ended`, with the detail
`NAME TARGET`; before it kills a recording process, a `fault_planned_death` with its name. Users
carry out faults of their own, each load-test process for its users: what several of them tell of
one strike is one fault here, and it struck nobody if all of them say so. docs/verdicts.md says what
a fault excuses.
"""

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.run_folder import Instants, Run
from chunk7.analysis.verdicts import Bits, Ints
from chunk7.wire.plan import NOBODY

CLIENTS = "clients"
"""The target of faults that the users carry out themselves."""
RECOVERY_NS = 1_000_000_000
"""A fault's allowance: so long after its end, what it left behind is still its doing."""
NOTICED_NS = 6_000_000_000
"""A node asks its store once a second and waits 5 s for the answer: what it says of a lost store so
long after a fault is of that fault, unless another came between or it had said so before."""
EARLY_NS = 50_000_000
"""What was published so shortly before a fault was still on its way as it began."""

COLUMNS = ("name", "target", "cell", "offset_ms", "began_ns", "ended_ns")
_TYPES = {"cell": int, "offset_ms": float, "began_ns": float, "ended_ns": float}
_NONE = pd.DataFrame(columns=list(COLUMNS)).astype(_TYPES)
_TELLING = ("fault_began", "fault_ended")


def is_conductor(process: str) -> bool:
    """Whether it is who carries faults out: `faults`, or `faults-2` where it was started again. It
    writes each down as it strikes, and tells of no health."""
    return process.partition("-")[0] == "faults"


def faults(run: Run) -> pd.DataFrame:
    """A row a strike, by time.

    Columns: name; target, the part that it struck ('' if not said); cell, in which it began;
    offset_ms, since that cell's start; began_ns, ended_ns, since the run's origin: the same instant
    for what takes no time, NaN where no end is on record.
    """
    if not run.events["kind"].isin(_TELLING).any():
        return _NONE.copy()
    told = [row for detail, spans in _told(run).items() for row in _strikes(detail, spans)]
    rows = [row for row in told if row["target"] != NOBODY or not _struck_elsewhere(row, told)]
    table = pd.DataFrame(rows, columns=["name", "target", "began_ns", "ended_ns"])
    table = table.sort_values(["began_ns", "name", "target"], ignore_index=True)
    starts_ns = cell_starts_ns(run)
    began_ns = table["began_ns"].to_numpy(dtype=float)
    # Two clocks tell of a strike at a cell's very start; nothing strikes so shortly before one.
    cell = np.searchsorted(starts_ns, began_ns + EARLY_NS, side="right").clip(1) - 1
    table = table.assign(cell=cell, offset_ms=((began_ns - starts_ns[cell]) / 1e6).clip(0))
    return table[list(COLUMNS)].astype(_TYPES)


def planned_deaths(run: Run) -> dict[str, float]:
    """When each process that was killed on purpose was killed, in ns since the run's origin.

    A part's second life records as NAME-2: a name told for the second time is that of it.
    """
    events = run.events[run.events["kind"] == "fault_planned_death"]
    deaths: dict[str, float] = {}
    lives: Counter[str] = Counter()
    told = zip(events["detail"], run.instants(events, "at_ns"), strict=True)
    for name, at_ns in sorted((str(name), float(at)) for name, at in told if pd.notna(name)):
        lives[name] += 1
        deaths[name if lives[name] == 1 else f"{name}-{lives[name]}"] = at_ns
    return deaths


def during(
    struck: pd.DataFrame, at_ns: Instants, early_ns: float = 0.0, late_ns: float = RECOVERY_NS
) -> Bits:
    """Which instants, shape (instants,), are in a fault's time: from `early_ns` before it began
    until `late_ns` after it ended. One without an end never ended."""
    inside = np.zeros(len(at_ns), bool)
    for began_ns, ended_ns in spans_ns(struck):
        inside |= (at_ns >= began_ns - early_ns) & (at_ns <= ended_ns + late_ns)
    return inside


def spans_ns(struck: pd.DataFrame) -> list[tuple[float, float]]:
    """(began, ended) of each fault, infinite where no end is on record."""
    ended_ns = struck["ended_ns"].fillna(np.inf)
    return list(zip(struck["began_ns"], ended_ns, strict=True))


def cell_starts_ns(run: Run) -> Instants:
    """When each cell began, shape (cells,): by the plan from when the producer was given it, or
    without that, with the first chunk or join that was due in it. Ascending."""
    plan = run.manifest.plan
    orders = run.instants(run.events[run.events["kind"] == "order"], "at_ns")
    if len(orders):
        offsets_ms = np.array([plan.cell_start_ms(k) for k in range(len(plan.cells))])
        return np.full(len(offsets_ms), orders.min()) + offsets_ms * 1e6
    due = pd.concat(
        [
            pd.Series(run.instants(frame, "intended_ns")).groupby(frame["cell"].to_numpy()).min()
            for frame in (run.published, run.connections)
        ]
    )
    first = due.groupby(level=0).min().reindex(range(len(plan.cells)))
    starts: Instants = np.fmax.accumulate(first.fillna(0.0).to_numpy(dtype=float))
    return starts


def _told(run: Run) -> dict[str, list[tuple[float, float, str]]]:
    """(began, ended, process) by detail, each process's ends matched with its beginnings in
    their order; ended is NaN where there is none."""
    events = run.events[run.events["kind"].isin(_TELLING)]
    events = events.assign(at=run.instants(events, "at_ns")).dropna(subset=["detail", "at"])
    ends: dict[tuple[str, str], list[float]] = defaultdict(list)
    spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    ordered = events.sort_values("at", kind="stable")
    for row in ordered[ordered["kind"] == "fault_ended"].itertuples():
        ends[str(row.detail), str(row.process)].append(float(row.at))
    for row in ordered[ordered["kind"] == "fault_began"].itertuples():
        detail, process, began = str(row.detail), str(row.process), float(row.at)
        later = [at for at in ends[detail, process] if at >= began]
        ended = later[0] if later else np.nan
        if later:
            ends[detail, process].remove(ended)
        spans[detail].append((began, ended, process))
    return spans


def _strikes(detail: str, spans: list[tuple[float, float, str]]) -> list[dict[str, Any]]:
    """The strikes of one detail: what other processes tell that began at most RECOVERY_NS later
    is the same strike, which lasts until all of them say it is over."""
    name, _, target = detail.partition(" ")
    strikes: list[list[tuple[float, float, str]]] = []
    for span in sorted(spans):
        same = strikes and span[0] - strikes[-1][0][0] <= RECOVERY_NS
        if same and span[2] not in {process for _, _, process in strikes[-1]}:
            strikes[-1].append(span)
        else:
            strikes.append([span])
    return [
        {
            "name": name,
            "target": target,
            "began_ns": strike[0][0],
            "ended_ns": max(ended for _, ended, _ in strike)
            if not any(np.isnan(ended) for _, ended, _ in strike)
            else np.nan,
        }
        for strike in strikes
    ]


def _struck_elsewhere(of_nobody: dict[str, Any], told: list[dict[str, Any]]) -> bool:
    """Whether the users of another load-test process felt what nobody did here."""
    began_ns, name = of_nobody["began_ns"], of_nobody["name"]
    felt = [row["began_ns"] for row in told if (row["name"], row["target"]) == (name, CLIENTS)]
    return any(-EARLY_NS <= at_ns - began_ns <= RECOVERY_NS for at_ns in felt)


def on_node(struck: pd.DataFrame, names: Any, run: Run, join: Ints) -> list[Any]:
    """For each fault called one of `names`, which joins are of a node that it struck.

    `join`: rows of `Run.joins`, -1 for none. A fault whose target is no node of the run (the
    store) strikes every node. A list of (began_ns, ended_ns, Bits of the shape (joins,)).
    """
    of = struck[struck["name"].isin(names) & (struck["target"] != NOBODY)]
    if of.empty:
        return []
    nodes = run.joins["node"].to_numpy(dtype=object)
    processes = run.joins["process"].to_numpy(dtype=object)
    known = {*nodes, *processes}
    found = []
    for target, (began_ns, ended_ns) in zip(of["target"], spans_ns(of), strict=True):
        hit = (nodes == target) | (processes == target)
        everybody = target not in known and not target.startswith("node-")
        found.append((began_ns, ended_ns, (join >= 0) & (everybody | _at(hit, join))))
    return found


def _at(values: Bits, rows: Ints) -> Bits:
    taken: Bits = np.append(values, False)[rows]
    return taken
