"""Records in; verdicts, statistics and tables out. docs/python-api.md shows how to use it.

May import: delivery, wire. Never locust (importing it monkey-patches the process). Drawing needs
matplotlib, which only `chunk7.analysis.figures` and `chunk7.analysis.report` import.
"""

from chunk7.analysis.comparison import compare_orderings
from chunk7.analysis.conclusion import Standing, conclusion, standing
from chunk7.analysis.manifest import Manifest, Traits, read_manifest, write_manifest
from chunk7.analysis.results import Result, Summary, read_summary
from chunk7.analysis.run_comparison import Comparison, compare_runs
from chunk7.analysis.run_folder import Run, load_run
from chunk7.analysis.study import Study, analyse, open_study
from chunk7.analysis.sweep_table import read_sweep
from chunk7.analysis.thresholds import Outcome, Threshold, evaluate, metrics, parse_threshold
from chunk7.analysis.verdicts import Judgement, judge
from chunk7.wire.live import Quantiles

__all__ = [
    "Comparison",
    "Judgement",
    "Manifest",
    "Outcome",
    "Quantiles",
    "Result",
    "Run",
    "Standing",
    "Study",
    "Summary",
    "Threshold",
    "Traits",
    "analyse",
    "compare_orderings",
    "compare_runs",
    "conclusion",
    "evaluate",
    "judge",
    "load_run",
    "metrics",
    "open_study",
    "parse_threshold",
    "read_manifest",
    "read_summary",
    "read_sweep",
    "standing",
    "write_manifest",
]
