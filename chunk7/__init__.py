"""chunk7 as a library, and the import root of all folders beside this one (docs/python-api.md).

Every process of a cluster imports this file, so it imports nothing: a name is looked up when it is
first used. Not even `typing`: until the command's own first line Ctrl-C is a traceback.
"""

from importlib import import_module

TYPE_CHECKING = False  # as type checkers know it
if TYPE_CHECKING:
    from chunk7.analysis import tables as tables
    from chunk7.analysis import timelines as timelines
    from chunk7.analysis.comparison import compare_orderings as compare_orderings
    from chunk7.analysis.conclusion import conclusion as conclusion
    from chunk7.analysis.conclusion import proof as proof
    from chunk7.analysis.fits import fits as fits
    from chunk7.analysis.manifest import Manifest as Manifest
    from chunk7.analysis.report import Report as Report
    from chunk7.analysis.results import Result as Result
    from chunk7.analysis.results import Summary as Summary
    from chunk7.analysis.results import read_summary as read_summary
    from chunk7.analysis.run_comparison import Comparison as Comparison
    from chunk7.analysis.run_comparison import compare_runs as compare_runs
    from chunk7.analysis.run_folder import Run as Run
    from chunk7.analysis.run_folder import load_run as load_run
    from chunk7.analysis.study import Study as Study
    from chunk7.analysis.study import analyse as analyse
    from chunk7.analysis.study import open_study as open_study
    from chunk7.analysis.sweep_table import read_sweep as read_sweep
    from chunk7.analysis.thresholds import Threshold as Threshold
    from chunk7.analysis.thresholds import evaluate as evaluate
    from chunk7.analysis.thresholds import parse_threshold as parse_threshold
    from chunk7.analysis.verdicts import Judgement as Judgement
    from chunk7.analysis.verdicts import judge as judge
    from chunk7.api import compare as compare
    from chunk7.api import explore as explore
    from chunk7.api import report as report
    from chunk7.api import run as run
    from chunk7.api import simulate as simulate
    from chunk7.delivery.errors import Chunk7Error as Chunk7Error
    from chunk7.delivery.errors import RecordError as RecordError
    from chunk7.delivery.errors import UsageError as UsageError
    from chunk7.delivery.ordering import ConnectOrdering as ConnectOrdering
    from chunk7.delivery.ordering import WriteOrdering as WriteOrdering
    from chunk7.exploration import Finding as Finding

_HOMES = {
    "chunk7.analysis": ("tables", "timelines"),
    "chunk7.analysis.comparison": ("compare_orderings",),
    "chunk7.analysis.conclusion": ("conclusion", "proof"),
    "chunk7.analysis.fits": ("fits",),
    "chunk7.analysis.manifest": ("Manifest",),
    "chunk7.analysis.report": ("Report",),
    "chunk7.analysis.results": ("Result", "Summary", "read_summary"),
    "chunk7.analysis.run_comparison": ("Comparison", "compare_runs"),
    "chunk7.analysis.run_folder": ("Run", "load_run"),
    "chunk7.analysis.study": ("Study", "analyse", "open_study"),
    "chunk7.analysis.sweep_table": ("read_sweep",),
    "chunk7.analysis.thresholds": ("Threshold", "evaluate", "parse_threshold"),
    "chunk7.analysis.verdicts": ("Judgement", "judge"),
    "chunk7.api": ("compare", "explore", "report", "run", "simulate"),
    "chunk7.delivery.errors": ("Chunk7Error", "RecordError", "UsageError"),
    "chunk7.delivery.ordering": ("ConnectOrdering", "WriteOrdering"),
    "chunk7.exploration": ("Finding",),
}
"""The same once more, for when it is executed; a test holds the two together."""

_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


if not TYPE_CHECKING:  # else every name would be there, for a type checker

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'chunk7' has no attribute {name!r}")
        home = import_module(_HOME[name])
        found = getattr(home, name, None) or import_module(f"{_HOME[name]}.{name}")
        globals()[name] = found  # the next time it is simply there
        return found


def __dir__() -> list[str]:
    return __all__
