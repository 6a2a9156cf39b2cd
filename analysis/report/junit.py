"""junit.xml: what a CI system shows of a run.

One test suite a run. If thresholds were given, they say what must hold: a test case for each
threshold and cell that it concerns, which fails where it was crossed. Without any, the measure is
the promise of every ordering: a test case a cell, which fails when it lost a chunk, and otherwise
says what the explorer knows of it (system-out). What cannot be
told (an unknown metric, a cell that could not be judged) is an error, and so is every case of a run
that is not valid: it neither passed nor failed.

Shape: testsuites > testsuite > properties, testcase > failure | error | system-out, as Jenkins,
GitLab and GitHub's actions read it. A case's `time` is the length of its cell in the
timetable, in seconds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

from chunk7.analysis.conclusion import Standing, conclusion, proof, standing
from chunk7.analysis.report.thresholds import CROSSED, UNKNOWN, Held
from chunk7.analysis.results import Result
from chunk7.analysis.study import Study

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may contain, not even escaped (its section 2.2)."""


@dataclass(frozen=True, slots=True)
class Case:
    """`outcome` is '', failure or error; `kind` is its type, `message` its line."""

    group: str
    name: str
    outcome: str
    kind: str
    message: str
    note: str = ""
    """What else is known, of a case that is neither."""


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
    totals = {
        "tests": str(len(cases)),
        "failures": str(sum(case.outcome == "failure" for case in cases)),
        "errors": str(sum(case.outcome == "error" for case in cases)),
        "skipped": "0",
        "time": f"{plan.length_ms / 1e3:.3f}",
    }
    name = _clean(f"chunk7 {study.run.folder.resolve().name}")
    root = Xml.Element("testsuites", {"name": "chunk7", **totals})
    suite = Xml.SubElement(root, "testsuite", {"name": name, **totals})
    properties = Xml.SubElement(suite, "properties")
    commit = study.run.manifest.extra.get("commit")
    for key, value in (("seed", summary.seed), ("run", plan.run), ("commit", commit)):
        if value is not None:
            Xml.SubElement(properties, "property", {"name": key, "value": _clean(str(value))})
    for case in cases:
        _add(suite, case, plan.length_ms / len(plan.cells) / 1e3)
    Xml.indent(root)
    document: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


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


def _add(suite: Xml.Element, case: Case, time_s: float) -> None:
    attributes = {"classname": case.group, "name": case.name, "time": f"{time_s:.3f}"}
    element = Xml.SubElement(suite, "testcase", {k: _clean(v) for k, v in attributes.items()})
    if case.outcome:
        message = _clean(case.message)
        found = Xml.SubElement(element, case.outcome, {"message": message, "type": case.kind})
        found.text = message
    if case.note:
        Xml.SubElement(element, "system-out").text = _clean(case.note)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
