"""The notebooks run, and what they show is what their sources give today."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from wide_kit import rarely

from notebooks.execute import execute, read, sources
from tests.analysis.story import Story

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = [
    "01_the_race", "02_loss_rates", "03_risk_window", "04_prices_of_the_fixes", "05_your_run",
]  # fmt: skip


def test_there_are_five() -> None:
    assert [source.stem for source in sources()] == NAMES
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


def stored(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def texts(notebook: Any) -> list[tuple[str, str]]:
    """What it prints and shows as text, cell by cell. Figures count as their first line."""
    return [
        (cell.id, output.get("text") or output.get("data", {}).get("text/plain"))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    ]


@pytest.mark.parametrize("name", [NAMES[0], *map(rarely, NAMES[1:-1]), NAMES[-1]])
def test_a_notebook_is_its_source_executed_today(name: str) -> None:
    """If it is not: `make notebooks`."""
    executed, kept = execute(FOLDER / f"{name}.py"), stored(name)
    nbformat.validate(kept)
    assert [(c.id, c.cell_type, c.source) for c in kept.cells] == [
        (c.id, c.cell_type, c.source) for c in executed.cells
    ]
    assert texts(kept) == texts(executed)
    assert kept.metadata == executed.metadata


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_nothing_of_the_machine_that_executed_it(name: str) -> None:
    notebook = stored(name)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert not [cell for cell in notebook.cells if "execution" in cell.metadata]
    text = json.dumps([notebook.metadata, outputs])
    assert not re.search(r"/home|/root|/Users|/tmp|/work|\.venv|site-packages|0x[0-9a-f]{6}", text)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_does_no_arithmetic_of_its_own(name: str) -> None:
    """Its code has no operator that computes and imports neither numpy nor scipy."""
    code = "\n".join(c.source for c in read(FOLDER / f"{name}.py").cells if c.cell_type == "code")
    without_texts = re.sub(r'"[^"\n]*"', '""', code)
    assert not re.search(r"import (numpy|scipy)|\w\s*(\*\*|[-+/%]|\*)\s*[\w(]", without_texts)


def shown(name: str, run: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a notebook prints of another run. Its cells are executed here, which needs no kernel."""
    monkeypatch.setenv("CHUNK7_RUN", str(run))
    names: dict[str, object] = {}
    with pd.option_context("display.precision", 6):  # notebooks set it
        for cell in read(FOLDER / f"{name}.py").cells:
            if cell.cell_type == "code":
                exec(cell.source, names)  # noqa: S102
    return str(capsys.readouterr().out)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(tmp_path / "run")
    for seq in range(1, 6):
        story.chunk(seq, at_ms=100 * seq)
    story.healthy("producer", "locust", "node")
    return story


def test_your_run_opens_a_run_of_somebody_else(
    story: Story, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has gathered its records, and a node was killed."""
    story.connection(1, [(151, 1, 0), (301, 3), (401, 4), (501, 5)], open_ms=149)
    story.join(1, read_ms=(150, 150), subscribe_ms=(250, 250), history_last_seq=1)
    said = shown("05_your_run", story.end("node"), capsys, monkeypatch)
    assert "NOT VALID\n- node was cut short: its records have no end" in said
    assert "1 of 1 connections lost 1 chunk (handover_gap 1)" in said
    assert "Figure(" in said


@pytest.mark.parametrize("name", ["01_the_race", "02_loss_rates", "04_prices_of_the_fixes"])
def test_a_notebook_shows_a_run_that_lost_nothing(
    name: str, story: Story, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.connection(1, [(151, 1, 0), (201, 2), (301, 3), (401, 4), (501, 5)], open_ms=149)
    story.join(1, read_ms=(150, 150), subscribe_ms=(151, 151), history_last_seq=1)
    assert "valid\n" in shown(name, story.end(), capsys, monkeypatch)


def test_your_run_says_that_nobody_connected(
    story: Story, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nobody connected" in shown("05_your_run", story.end(), capsys, monkeypatch)
