"""A JUnit XML document of test cases, as Jenkins, GitLab and GitHub's actions read it.

Shape: testsuites > testsuite > properties, testcase > failure | error | system-out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

from chunk7.wire.visible import visible

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
    time_s: float = 0.0


def junit_document(
    suite_name: str, cases: Sequence[Case], properties: Mapping[str, object], time_s: float
) -> bytes:
    """One suite, UTF-8, with its declaration. Properties that are None are left out."""
    totals = {
        "tests": str(len(cases)),
        "failures": str(sum(case.outcome == "failure" for case in cases)),
        "errors": str(sum(case.outcome == "error" for case in cases)),
        "skipped": "0",
        "time": f"{time_s:.3f}",
    }
    root = Xml.Element("testsuites", {"name": "chunk7", **totals})
    suite = Xml.SubElement(root, "testsuite", {"name": _clean(suite_name), **totals})
    listed = Xml.SubElement(suite, "properties")
    for key, value in properties.items():
        if value is not None:
            Xml.SubElement(listed, "property", {"name": key, "value": _clean(str(value))})
    for case in cases:
        _add(suite, case)
    Xml.indent(root)
    document: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _add(suite: Xml.Element, case: Case) -> None:
    attributes = {"classname": case.group, "name": case.name, "time": f"{case.time_s:.3f}"}
    element = Xml.SubElement(suite, "testcase", {k: _clean(v) for k, v in attributes.items()})
    if case.outcome:
        message = _clean(case.message)
        found = Xml.SubElement(element, case.outcome, {"message": message, "type": case.kind})
        found.text = message
    if case.note:
        Xml.SubElement(element, "system-out").text = _clean(case.note)


def _clean(text: str) -> str:
    return visible(_NOT_XML.sub("\ufffd", text))
