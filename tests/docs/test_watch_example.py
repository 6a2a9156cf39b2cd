"""The log that watch.md shows, watched: what is printed is what the page shows."""

import re
from pathlib import Path

import pytest

from chunk7.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "watch.md"


def test_the_example_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PAGE.read_text()
    [log] = re.findall(r"^```text\n(1800.*?)^```$", text, re.M | re.S)
    [(words, shown)] = re.findall(r"^```console\n\$ chunk7 (.*?)\n(.*?)^```$", text, re.M | re.S)
    (tmp_path / "monitor.log").write_text(log)
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 99
    said = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert said == shown.rstrip("\n")
