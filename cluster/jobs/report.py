"""From a run folder to its report; what no manifest says of our own orderings is explored now."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chunk7.analysis.report import Report, write_report
from chunk7.analysis.report.thresholds import of_manifest
from chunk7.analysis.study import Study, open_study
from chunk7.analysis.thresholds import Threshold
from chunk7.cluster.jobs.proof import explored
from chunk7.cluster.jobs.run import RunOutcome
from chunk7.cluster.jobs.unexpected import as_line
from chunk7.delivery.errors import Chunk7Error, RecordError, UsageError
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS


def open_run(folder: Path) -> Study:
    """Judge a run folder; raises UsageError, naming the file, for one that cannot be used."""
    try:
        return with_explored(open_study(folder))
    except RecordError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror}") from error


def make_report(study: Study, out: Path, thresholds: Sequence[Threshold]) -> Report:
    """Write the report of a judged run into `out`; raises UsageError if it cannot be written."""
    return write_report(with_explored(study), out, thresholds)


def with_explored(study: Study) -> Study:
    """The study of a run from before there was a word on it in its manifest, with that word.

    Only pairs of our own: somebody's file may have changed since.
    """
    results = study.summary.results
    unknown = [
        (CONNECT_ORDERINGS[r.connect], WRITE_ORDERINGS[r.write])
        for r in results
        if r.explored is None and r.connect in CONNECT_ORDERINGS and r.write in WRITE_ORDERINGS
    ]
    found = explored(unknown, {})
    told = [msgspec.structs.replace(r, explored=r.explored or found.get(r.name)) for r in results]
    return dataclasses.replace(study, summary=msgspec.structs.replace(study.summary, results=told))


def thresholds_of(study: Study, given: Sequence[Threshold]) -> Sequence[Threshold]:
    """Those given now, or else those that the run was started with."""
    return given or of_manifest(study)


def report_of_run(outcome: RunOutcome, thresholds: Sequence[Threshold]) -> Report | None:
    """The report at a run's end; None, and a line on stderr, if it fails.

    The run's own result stands whatever happens here, so nothing is raised.
    """
    try:
        if outcome.study is None:
            raise RecordError(outcome.summary.invalid_because[-1])
        return make_report(outcome.study, outcome.folder, thresholds)
    except Chunk7Error as error:
        why = str(error)
    except Exception as error:
        why = str(as_line(error, outcome.folder))
    sys.stderr.write(f"chunk7 run: no report: {why}\n")
    return None
