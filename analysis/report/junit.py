"""junit.xml: what a CI system shows of a run.

One test suite a run. If thresholds were given, they say what must hold: a test case for each
threshold and cell that it concerns, which fails where it was crossed. Without any, the measure is
the promise of every ordering: a test case a cell, which fails when it lost a chunk, and otherwise
says what the explorer knows of it (system-out). What cannot be told (an unknown metric, a cell that
could not be judged) is an error, and so is every case of a run that is not valid: it neither passed
nor failed. A case's `time` is the length of its cell in the timetable, in seconds. The
suite's properties name the run, what each fault did, and what the faults excuse.
"""

from collections.abc import Sequence
from dataclasses import replace

from chunk7.analysis.conclusion import Standing, conclusion, proof, standing
from chunk7.analysis.junit_document import Case, junit_document
from chunk7.analysis.report.faults import fault_sentences
from chunk7.analysis.report.thresholds import CROSSED, UNKNOWN, Held
from chunk7.analysis.results import Result
from chunk7.analysis.study import Study


def render_junit(study: Study, held: Sequence[Held]) -> bytes:
    """The document, UTF-8, with its declaration."""
    summary, plan = study.summary, study.run.manifest.plan
    cases = [_of_threshold(h) for h in held] or [_of_cell(r) for r in summary.results]
    if not summary.valid:
        because = "; ".join(summary.invalid_because)
        cases = [
            Case(case.group, case.name, "error", "invalid", f"the run is not valid: {because}")
            for case in cases
        ]
    properties = {
        "seed": summary.seed, "run": plan.run, "commit": study.run.manifest.extra.get("commit"),
        **fault_sentences(summary),
    }  # fmt: skip
    each_s = plan.length_ms / len(plan.cells) / 1e3
    return junit_document(
        f"chunk7 {study.run.folder.resolve().name}",
        [replace(case, time_s=each_s) for case in cases],
        properties,
        plan.length_ms / 1e3,
    )


def _of_threshold(held: Held) -> Case:
    name = f"{held.threshold} ({held.cell})" if held.cell else held.threshold
    outcome = {CROSSED: "failure", UNKNOWN: "error"}.get(held.outcome, "")
    note = "" if outcome else held.sentence
    return Case("chunk7.thresholds", name, outcome, held.outcome, held.sentence, note)


def _of_cell(result: Result) -> Case:
    outcome, kind = {
        Standing.LOSES: ("failure", "lost"),
        Standing.UNKNOWN: ("error", "undetermined"),
        Standing.LUCKY: ("", ""),
        Standing.KEEPS: ("", ""),
    }[standing(result)]
    group, told = f"chunk7.{result.connect}", conclusion(result)
    note = "" if outcome else f"{told} {proof(result)}"
    return Case(group, result.name, outcome, kind, told, note)
