"""The recordings that recordings.md judges: what is printed is what the page shows."""

import re
from pathlib import Path

import pytest

from chunk7.cli import main

ROOT = Path(__file__).parents[2]


def test_the_example_prints_what_the_page_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "recordings.md").read_text()
    [(words, shown)] = re.findall(r"^```console\n\$ chunk7 (.*?)\n(.*?)^```$", text, re.M | re.S)
    monkeypatch.chdir(ROOT)
    assert main(words.split()) == 0
    assert capsys.readouterr().out == shown
