"""Bugs that people shipped: the verdicts that are told of them are those that exploring finds."""

import glob
import re
from pathlib import Path

import pytest
from call_kit import Call

from chunk7.field_cases import FIELD_CASES
from chunk7.museum import page
from chunk7.simulator.explore.field_case import FieldCase
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.search import SearchLimits, explore

ROOT = Path(__file__).parents[2]
LIMITS = SearchLimits(max_schedules=10**7, max_seconds=600)
COUNTED = {
    14: "fourteen",
    15: "fifteen",
    16: "sixteen",
    17: "seventeen",
    20: "twenty",
    21: "twenty-one",
}


@pytest.mark.parametrize("case", FIELD_CASES.values(), ids=FIELD_CASES)
def test_each_variant_fails_as_is_told(case: FieldCase) -> None:
    for variant in case.variants:
        search = explore(variant.cell, LIMITS).search
        assert search.complete, variant.name
        failing = {kind for kind in Failure if getattr(search.tally, kind)}
        assert (variant.name, failing) == (variant.name, {*variant.fails})


@pytest.mark.parametrize("case", FIELD_CASES.values(), ids=FIELD_CASES)
def test_each_tells_a_bug_and_something_better(case: FieldCase) -> None:
    """The first variant is the bug; at least one other does not fail in all of its ways."""
    bug, *others = case.variants
    assert bug.fails
    assert any(not {*bug.fails} <= {*other.fails} for other in others)
    assert case.links
    assert (ROOT / "field_cases" / case.name / "story.md").is_file()


def test_every_folder_is_in_the_registry() -> None:
    folders = {path.parent.name for path in (ROOT / "field_cases").glob("*/__init__.py")}
    assert folders == {*FIELD_CASES}


def test_the_page_is_what_is_computed() -> None:
    written = (ROOT / "docs" / "field-cases.md").read_text()
    assert written == page(LIMITS, jobs=1), "make field-cases"


@pytest.mark.live
@pytest.mark.parametrize("name", [name for name, case in FIELD_CASES.items() if case.live])
def test_a_bug_shows_on_a_real_store_as_its_commands_say(
    name: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for command in FIELD_CASES[name].live:
        program, *words = command.replace("build/", f"{tmp_path}/").split()
        assert program == "chunk7"
        done = call(*(glob.glob(word)[0] if "*" in word else word for word in words))
        assert done.returncode == 0, done.stderr
    assert "LOST" in done.stdout


def test_the_readme_quotes_the_page() -> None:
    readme = (ROOT / "README.md").read_text()
    table = readme.split("## Bugs that people really shipped")[1].split("\n## ")[0]
    written = (ROOT / "docs" / "field-cases.md").read_text()
    quoted = re.findall(r"([0-9,]+) of ([0-9,]+)", table)
    assert quoted
    for failing, schedules in quoted:
        assert re.search(rf"\| {schedules} \| (lossy|duplicating) {failing}\b", written)
    assert f"tells {COUNTED[len(FIELD_CASES)]} public reports" in readme


def test_a_case_is_told_with_its_verdicts_and_drawings(call: Call) -> None:
    done = call("explore", "--case", "codeframe_757")
    assert done.returncode == 0
    assert "as merged: subscribe_then_history x publish_then_save: client1 loses" in done.stdout
    assert "12,098" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--case", "nothing"], "--case nothing: one of "),
        (["--case", "all", "--connect", "buffered_merge"], "--connect: not with --case"),
        (["--case", "all", "--liveness"], "not with --liveness: one at a time"),
    ],
    ids=["unknown", "a pair", "two modes"],
)
def test_what_a_case_cannot_be_asked_is_refused(call: Call, options: list[str], said: str) -> None:
    done = call("explore", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
