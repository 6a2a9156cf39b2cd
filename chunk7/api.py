"""The jobs of the `chunk7` command as functions: nothing is printed, objects are returned.

Options are those of the command, by the same names, with the same defaults and bounds, because they
are read by the command's own parser; `chunk7 COMMAND --help` lists them. What cannot be used raises
UsageError, in one line that names the option. Wherever an ordering is asked for, it may be a name,
`all`, `path/to/file.py:name`, an ordering object, or a sequence of these.
"""

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, cast

from chunk7.cluster.options import Subparsers, names
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.delivery.registry import Ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.options import Parser

if TYPE_CHECKING:
    from chunk7.analysis.report import Report
    from chunk7.analysis.results import Summary
    from chunk7.analysis.run_comparison import Comparison
    from chunk7.analysis.study import Study
    from chunk7.exploration import Finding

Connects = str | ConnectOrdering | Sequence[str | ConnectOrdering]
Writes = str | WriteOrdering | Sequence[str | WriteOrdering]


_OPTIONS = {"duration_s": "--duration", "thresholds": "--threshold"}
"""Of the command, where a name says more here, or one word is repeated there."""


class RunOptions(TypedDict, total=False):
    """Of `run`: the parameters of `wire/plan.py`, and what else the command takes.

    A text is the word for what is not chosen: `recorded`, `enough`.
    """

    target: Path | str
    cluster: Literal["local", "compose"]
    nodes: int
    redis: str
    stream_max_entries: int
    seed: int
    users: int
    sessions: int
    chunk_rate: float | str
    duration_s: float
    jitter: float
    ttft_ms: float | str
    message_chunks: int | str
    save_lag_ms: float
    node_work_ms: float
    store_latency_ms: float
    settle_ms: int | str
    answers: Path | str
    processes: int
    fault: Sequence[str]
    thresholds: Sequence[str]
    no_report: bool
    out: Path | str


class ExploreOptions(TypedDict, total=False):
    """Of `explore`. `max_schedules` and `max_seconds` bound each pair."""

    chunks: int
    joiners: int | Literal["any"]
    client: str
    faults: Sequence[str]
    replica: Literal["history", "all"]
    writers: int
    overlap: int
    retry: Literal["same", "new"]
    max_schedules: int
    max_seconds: float
    jobs: int
    contract: Literal["whole", "from-welcome", "from-message"]


class SimulateOptions(TypedDict, total=False):
    """Of `simulate`. A text is a distribution (docs/simulation.md), a number always the same."""

    preset: str
    engine: Literal["events", "vectorised"]
    connections: int
    nodes: int
    sessions: int
    watchers: int
    chunk_rate: float
    message_chunks: int
    duty: float
    arrivals: str
    joins: Literal["uniform", "poisson"]
    store_latency_ms: float | str
    node_work_ms: float | str
    save_lag_ms: float | str
    delivery_delay_ms: float | str
    faults: Sequence[str]
    seed: int


def run(connect: Connects = (), write: Writes = (), **options: Unpack[RunOptions]) -> "Study":
    """Start a cluster, load it with every ordering in turn, and judge what was recorded.

    Blocks as long as `chunk7 run` takes: for each pair `duration_s` and some, and a few seconds.
    The run folder (`study.run.folder`) receives the same files, the report among them. Whether the
    numbers may be believed is `study.summary.valid`.

    An ordering object must be one of a .py file, because nodes and producer are other processes,
    and that file's own call of `run` has to stand under `if __name__ == "__main__":`.

    Raises UsageError and OrderingError before anything is started. What ends the run early is
    raised once everything has stopped (PartDied, StoreUnreachable; Interrupted for Ctrl-C), with
    a note that says where the records are; RecordError if those are damaged.
    """
    # Imported here, because they bring pandas: exploring should not wait for that.
    from rich.console import Console

    from chunk7.cluster.jobs.report import make_report
    from chunk7.cluster.jobs.run import execute
    from chunk7.cluster.settings import read_settings
    from chunk7.commands import run as command

    specs = {
        "connect": _specs("--connect", connect, CONNECT_ORDERINGS, ConnectOrdering),
        "write": _specs("--write", write, WRITE_ORDERINGS, WriteOrdering),
    }
    args = _parsed("run", command.add_parser, {**specs, **options})
    settings = read_settings(args)
    silent = Console(
        quiet=True
    )  # in a notebook, a console with a file of its own shows all the same
    kind = command.kind_of_cluster("target" if settings.adapter else args.cluster)
    outcome = execute(settings, args.out, silent, kind)
    error = outcome.error
    if error is None and outcome.study is None:
        error = Chunk7Error(outcome.summary.invalid_because[-1])
    if error is not None:
        error.add_note(f"what was recorded is in {outcome.folder}")
        raise error
    study = cast("Study", outcome.study)
    if not args.no_report:
        make_report(study, outcome.folder, settings.thresholds)
    return study


def explore(
    connect: Connects = "all", write: Writes = "all", **options: Unpack[ExploreOptions]
) -> "list[Finding]":
    """Try every interleaving of each pair's events; a finding for each that shares a feed.

    `finding.verdict` is lossless (every schedule was tried), loses or unknown (a bound was reached
    first); `finding.drawing` shows the shortest schedule that loses, None without one. An ordering
    that is not ours is explored in a process of its own; so are all with `jobs` > 1 (default: 1).

    Raises UsageError, and OrderingError for an ordering that breaks the protocol or never ends.
    """
    from chunk7.commands import explore as command
    from chunk7.exploration import explored
    from chunk7.simulator.explore.search import SearchLimits
    from chunk7.terms import terms

    args = _parsed("explore", command.add_parser, options)
    limits = SearchLimits(args.max_schedules, args.max_seconds)
    pairing = _listed(connect), _listed(write)
    size = command.chunks(args), args.joiners
    faults, jobs = names(args.faults), args.jobs or 1
    return list(explored(*pairing, faults, *size, limits, jobs, **terms(args)))


def simulate(
    connect: Connects = (), write: Writes = (), **options: Unpack[SimulateOptions]
) -> "Summary":
    """Run orderings in virtual time; the same seed gives the same numbers.

    The summary is of the kind that `run` gives: a result a pair, rates with 95% intervals, times in
    ms. Without any ordering: the pairs of `run`. Raises UsageError, OrderingError as `explore`.
    """
    from chunk7.commands import simulate as command
    from chunk7.simulation import read_settings, simulated, summary_of

    settings = read_settings(_parsed("simulate", command.add_parser, options))
    cells = list(simulated(settings, _listed(connect), _listed(write)))
    return summary_of(cells, settings.seed, "")


def report(
    run: "Study | Path | str", out: Path | str | None = None, thresholds: Sequence[str] = ()
) -> "Report":
    """Write a run's report: one HTML page, Markdown, JUnit XML, figures; where they are.

    `run` is a study or a run folder, `out` a folder (None: the run folder itself), in which earlier
    reports are replaced. `thresholds`, such as 'loss_rate_high<=0.05', stand instead of those that
    the run was started with. Raises RecordError for what is no run folder or damaged, UsageError
    for a threshold that cannot be read and a folder that cannot be written.
    """
    from chunk7.analysis.thresholds import parse_threshold
    from chunk7.cluster.jobs.report import make_report, thresholds_of

    given = [parse_threshold(text) for text in thresholds]
    study = _study(run)
    return make_report(study, Path(out or study.run.folder), thresholds_of(study, given))


def compare(
    a: "Study | Path | str", b: "Study | Path | str", margins: Mapping[str, float] | None = None
) -> "Comparison":
    """What run `b` does otherwise than run `a`, each a study or a run folder.

    `margins`: by metric, up to which difference it does not matter (docs/comparing.md has names,
    units and the usual ones). Raises UsageError for another metric or a margin below 0, RecordError
    for what is no run folder or damaged.
    """
    from chunk7.analysis.run_comparison import MARGINS, compare_runs

    for metric, margin in (margins or {}).items():
        if metric not in MARGINS or not 0 <= margin < float("inf"):
            allowed = ", ".join(MARGINS)
            raise UsageError(f"margins: {metric}={margin}: want 0 or more, for one of {allowed}")
    return compare_runs(_study(a), _study(b), margins)


def _study(run: "Study | Path | str") -> "Study":
    from chunk7.analysis.study import open_study

    return open_study(run) if isinstance(run, Path | str) else run


def _listed(given: Any) -> Any:
    """Names, which may be separated by commas, and objects: a list of either."""
    items = [given] if isinstance(given, str | ConnectOrdering | WriteOrdering) else list(given)
    return [one for item in items for one in (names([item]) if isinstance(item, str) else [item])]


def _specs(
    option: str, given: Any, registry: Mapping[str, Ordering], kind: type[Ordering]
) -> list[str]:
    return [
        item if isinstance(item, str) else _spec(option, item, registry, kind)
        for item in _listed(given)
    ]


def _spec(
    option: str, ordering: Ordering, registry: Mapping[str, Ordering], kind: type[Ordering]
) -> str:
    """How another process finds the ordering: its name, or `path/to/file.py:name`."""
    if registry.get(ordering.name) is ordering:
        return ordering.name
    source = inspect.getsourcefile(ordering.steps) or ""
    if not source.endswith(".py") or not Path(source).is_file():
        raise UsageError(
            f"{option}: {ordering.name} is in no .py file from which other processes could load it"
        )
    return f"{Path(source).resolve()}:{ordering.name}"


def _parsed(
    name: str, add_parser: Callable[[Any], None], options: Mapping[str, Any]
) -> argparse.Namespace:
    """What the command's own parser makes of the options: its defaults, its bounds."""
    parser = Parser(prog="chunk7")
    subparsers: Subparsers[Parser] = parser.add_subparsers(dest="command")
    add_parser(subparsers)
    words = [word for option, value in options.items() for word in _words(option, value)]
    return parser.parse_args([name, *words])


def _words(option: str, value: Any) -> list[str]:
    """The option as words of a command line; none for None and False."""
    word = _OPTIONS.get(option, f"--{option.replace('_', '-')}")
    if value is None or value is False:
        return []
    if value is True:
        return [word]
    values = value if isinstance(value, list | tuple) else [value]
    return [f"{word}={one}" for one in values]
