"""Records in; verdicts, statistics and tables out.

May import: delivery, wire. Never locust (importing it monkey-patches the process).
"""

from analysis.conclusion import conclusion
from analysis.manifest import Manifest, Traits, read_manifest, write_manifest
from analysis.results import Quantiles, Result, Summary, analyse, read_summary, summarise
from analysis.run_folder import Run, load_run
from analysis.thresholds import Outcome, Threshold, evaluate, metrics, parse_threshold
from analysis.verdicts import Judgement, judge

__all__ = [
    "Judgement",
    "Manifest",
    "Outcome",
    "Quantiles",
    "Result",
    "Run",
    "Summary",
    "Threshold",
    "Traits",
    "analyse",
    "conclusion",
    "evaluate",
    "judge",
    "load_run",
    "metrics",
    "parse_threshold",
    "read_manifest",
    "read_summary",
    "summarise",
    "write_manifest",
]
