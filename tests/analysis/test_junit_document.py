"""A JUnit document: counts that add up, and only what XML may hold."""

from xml.etree import ElementTree as Xml

from chunk7.analysis.junit_document import Case, junit_document


def test_cases_are_counted_and_each_has_what_it_came_to() -> None:
    cases = [
        Case("group", "held", "", "", "", "as it must be", 0.5),
        Case("group", "crossed", "failure", "lost", "chunk 1"),
        Case("group", "open", "error", "unknown", "nobody knows"),
    ]
    text = junit_document("suite", cases, {"seed": 7, "commit": None}, 2.5)
    assert text.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n")
    (suite,) = Xml.fromstring(text)  # noqa: S314 - our own
    assert suite.attrib == {
        "name": "suite", "tests": "3", "failures": "1", "errors": "1", "skipped": "0",
        "time": "2.500",
    }  # fmt: skip
    assert [one.attrib for one in suite.findall("properties/property")] == [
        {"name": "seed", "value": "7"}
    ]
    held, crossed, open_ = suite.findall("testcase")
    assert held.attrib == {"classname": "group", "name": "held", "time": "0.500"}
    assert held.findtext("system-out") == "as it must be"
    assert crossed.findtext("failure") == "chunk 1"
    assert [element.attrib for element in open_] == [{"message": "nobody knows", "type": "unknown"}]


def test_what_xml_may_not_hold_is_replaced() -> None:
    """A target's name comes from strangers, and \\x00 would make the whole file unreadable."""
    (suite,) = Xml.fromstring(  # noqa: S314 - our own
        junit_document("a\x00b", [Case("g", "\ud800", "error", "k", "\x1b[31m")], {}, 0)
    )
    assert suite.attrib["name"] == "a\ufffdb"
    assert suite.findtext("testcase/error") == "\ufffd[31m"
