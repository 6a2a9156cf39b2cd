"""`chunk7` and `python -m chunk7` before any job: help, version, and what they wait for."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chunk7.cli import COMMANDS, main

HEAVY = {"locust", "matplotlib", "numpy", "pandas", "pyarrow", "redis", "scipy", "valkey"}
ROOT = Path(__file__).parents[2]
WAYS = [[Path(sys.executable).with_name("chunk7")], [sys.executable, "-m", "chunk7"]]


@pytest.mark.parametrize("way", WAYS, ids=["chunk7", "python -m chunk7"])
def test_the_version_is_told(way: list[str]) -> None:
    done = subprocess.run([*way, "--version"], capture_output=True, text=True)
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{done.stdout.removeprefix("chunk7 ").strip()}"' in pyproject
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_command_there_are_three_examples_and_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n  chunk7 ") == 3
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == err


def test_the_examples_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("  chunk7 ")]
    for line in lines:
        words = re.split(" {2,}", line.strip())[0].split()
        assert main([*words[1:], "--help"]) == 0


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_fits_into_80_columns(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its examples used to be 98 wide."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*words, "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_every_file_of_commands_is_a_command_and_none_knows_the_command_line() -> None:
    """`cli` imports them by name, which no test of imports sees, so a circle could hide there."""
    files = [path for path in (ROOT / "chunk7" / "commands").glob("*.py") if path.stem[0] != "_"]
    assert {path.stem for path in files} == set(COMMANDS)
    for path in files:
        names = [
            n.module for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)
        ]
        assert "chunk7.cli" not in names


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_waits_for_nothing_heavy(words: list[str]) -> None:
    """0.22 s of CPU each, before a command was imported only when it was asked for."""
    code = (
        f"import sys; from chunk7.cli import main; main([*{words!r}, '--help']); "
        f"sys.exit(' '.join({HEAVY!r} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
