"""Records in; verdicts, statistics and tables out. docs/python-api.md shows how to use it.

May import: delivery, wire. Never locust (importing it monkey-patches the process). Drawing needs
matplotlib, which only `analysis.figures` and `analysis.report` import.
"""

from analysis.comparison import compare_orderings
from analysis.conclusion import Standing, conclusion, standing
from analysis.manifest import Manifest, Traits, read_manifest, write_manifest
from analysis.results import Result, Summary, read_summary
from analysis.run_comparison import Comparison, compare_runs
from analysis.run_folder import Run, load_run
from analysis.study import Study, analyse, open_study
from analysis.sweep_table import read_sweep
from analysis.thresholds import Outcome, Threshold, evaluate, metrics, parse_threshold
from analysis.verdicts import Judgement, judge
from wire.live import Quantiles

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
