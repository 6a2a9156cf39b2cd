"""What the gallery's driver makes of what was measured, and what is written down of its members."""

import re
from pathlib import Path
from typing import Any

import pytest

from chunk7.loadtest.targets.adapter import read_adapter
from examples.gallery import EXAMPLES, Case, Measured, Variant, cases, main

PAGE = EXAMPLES.parent / "docs" / "gallery.md"
LOSES = Variant(target="", equals="", finds={"atomic_lua": "loses"}, watch="raced")
KEEPS = Variant(target="", equals="", finds={"atomic_lua": "keeps"})


def a_run(lossy: int = 0, delivered: int = 100, valid: bool = True) -> dict[str, Any]:
    """The document of a run of one cell with ten joins."""
    result = {
        "write": "atomic_lua",
        "connections": 10,
        "lossy_connections": lossy,
        "chunks_delivered": delivered,
    }
    because = [] if valid else ["node-1 was saturated"]
    return {"valid": valid, "invalid_because": because, "results": [result]}


def strange(run: dict[str, Any], variant: Variant, **watch: int) -> list[str]:
    return [*Measured(run, watch or None).strange(variant)]


def test_what_loses_must_lose_and_its_race_must_be_seen() -> None:
    assert strange(a_run(lossy=3), LOSES, lost=3) == []
    assert strange(a_run(lossy=3), LOSES, lucky=1) == []
    assert strange(a_run(), LOSES, lucky=1) == [
        "atomic_lua: 0 of 10 joins lost a chunk; recorded: loses"
    ]
    assert strange(a_run(lossy=3), LOSES, unknown=3) == ["watch saw no join that is raced"]


def test_the_watch_must_name_the_chunks_that_the_run_names() -> None:
    found = Measured(a_run(lossy=3), {"lost": 3}, differ=1)
    assert [*found.strange(LOSES)] == [
        "watch names other chunks than the run for 1 of the joins that lost"
    ]


def test_what_keeps_must_lose_nothing_in_a_valid_run() -> None:
    assert strange(a_run(), KEEPS) == []
    assert strange(a_run(lossy=1), KEEPS) == [
        "atomic_lua: 1 of 10 joins lost a chunk; recorded: keeps"
    ]
    assert strange(a_run(valid=False), KEEPS) == ["not valid: node-1 was saturated"]


def test_a_run_that_delivered_nothing_shows_nothing() -> None:
    assert strange(a_run(delivered=0), KEEPS) == ["atomic_lua: 10 joins received 0 chunks"]


def test_what_rarely_loses_may_do_either() -> None:
    rarely = Variant(target="", equals="", finds={"atomic_lua": "rarely"})
    assert strange(a_run(lossy=1), rarely) == strange(a_run(), rarely) == []


def test_every_cell_that_was_measured_must_be_recorded() -> None:
    run = a_run()
    run["results"].append({**run["results"][0], "write": "publish_then_save"})
    assert strange(run, KEEPS) == ["measured ['atomic_lua', 'publish_then_save']"]


def test_a_member_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fastapi"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("gallery: fastapi: one of ")
    assert "fastapi_sse" in line


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.label)
def test_the_page_has_its_findings(case: Case) -> None:
    page = PAGE.read_text()
    for write, finding in case.variant.finds.items():
        row = rf"^\| `{case.folder.name}` \| {case.name} \| `{write}` \| \**{finding}\**"
        assert re.search(row, page, re.M), row


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.label)
def test_its_adapter_can_be_read(case: Case) -> None:
    adapter = read_adapter(case.folder / case.variant.target)
    written = set(adapter.produce.write) if adapter.produce else {"ask"}
    assert written == {*case.variant.finds}


def test_every_member_says_how_it_is_started_and_tested() -> None:
    for folder in {case.folder for case in cases()}:
        words = (folder / "README.md").read_text()
        assert "chunk7 run --target" in words, folder.name


def test_the_members_run_with_the_redis_py_that_we_have() -> None:
    """A client of another version may lose, or keep, something else."""
    ours, theirs = (
        re.findall(r"^redis==(\S+)", Path(EXAMPLES.parent, name).read_text(), re.M)
        for name in ("requirements.lock", "examples/requirements.lock")
    )
    assert ours == theirs
