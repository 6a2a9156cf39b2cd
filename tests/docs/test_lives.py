"""The table of kinds of life in docs/the-race.md is what exploring says."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_is_computed() -> None:
    spec = importlib.util.spec_from_file_location("lives", ROOT / "docs" / "make_lives.py")
    assert spec is not None
    assert spec.loader is not None
    lives = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lives)
    written = lives.PAGE.read_text().partition(lives.BEGIN)[2].partition(lives.END)[0]
    assert written == lives.table(), "make field-cases"
