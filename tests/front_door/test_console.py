"""What is printed fits where it is printed, and nothing in it is cut."""

import io
import os
import re
import subprocess
import sys

import pytest
from call_kit import Call
from rich.console import Console
from rich.table import Table

from chunk7.cli import main
from chunk7.console import PlainConsole, fits, known_width, print_table, stdout_console

PAIR = ("--connect", "history_then_subscribe,subscribe_then_history", "--write", "all")


def table() -> Table:
    """27 columns wide, and without its last one 22."""
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    made.add_column("name", overflow="fold")
    made.add_column("ver-\ndict", no_wrap=True)
    made.add_column("how\nmany", no_wrap=True)
    made.add_row("a_name_of_16_let", "loses", "12")
    return made


def printed(width: int, keep: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table(), keep)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_last_columns_give_way_and_are_named() -> None:
    whole = printed(80, 2)
    assert whole[-1] == "a_name_of_16_let loses 12"
    left = printed(22, 1)
    assert left[-2:] == ["a_name_of_16_let loses", "too narrow for: how many; --json has all"]
    least = printed(16, 1)
    assert least[-2:] == ["a_name_of_16_let", "too narrow for: verdict, how many; --json has all"]


def test_names_are_folded_before_a_column_that_must_stay_is_cut() -> None:
    lines = printed(12, 2)
    assert "loses" in " ".join(lines)
    assert "…" not in "".join(lines)


def test_it_fits_where_no_field_is_cut() -> None:
    assert fits(table(), Console(width=28))
    assert not fits(table(), Console(width=26))


def test_columns_say_how_wide_a_pipe_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert known_width() is None
    assert stdout_console(140).width == 140
    monkeypatch.setenv("COLUMNS", "80")
    assert known_width() == stdout_console(140).width == 80
    monkeypatch.setenv("COLUMNS", "0")
    assert known_width() is None


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 120])
def test_a_matrix_is_never_wider_and_its_verdicts_are_never_cut(
    call: Call, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """At 80 columns it used to say `loss...`, and in a pipe with COLUMNS=80 it was 108 wide."""
    monkeypatch.setenv("COLUMNS", str(width))
    out = call("explore", *PAIR, "--chunks", "2", "--joiners", "2", "--verbose").stdout
    matrix, _, drawings = out.partition("\n\n")
    lines = [line for line in matrix.splitlines() if not line.startswith("too narrow for")]
    assert max(map(len, lines)) <= width
    words = matrix.replace("│", " ").split()
    assert (words.count("loses"), words.count("lossless")) == (5, 3)
    assert "…" not in out
    drawn = drawings.rpartition("\nalso found")[0] or drawings.rpartition("\n8 cells")[0]
    assert max(map(len, drawn.splitlines())) <= width
    assert drawn.count("RISK WINDOW starts") == 5


def test_no_color_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, "-m", "chunk7", "explore", *PAIR, "--chunks", "1"]
    said = {
        name: subprocess.run(
            words,
            capture_output=True,
            text=True,
            env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm", name: "1"},
        ).stdout
        for name in ("NO_COLOR", "UNRELATED")
    }
    colours = ("\x1b[31m", "\x1b[32m", "\x1b[33m")
    assert any(colour in said["UNRELATED"] for colour in colours)
    assert not any(colour in said["NO_COLOR"] for colour in colours)


def test_the_headings_are_those_of_the_failures() -> None:
    """A narrow heading is a field's name, hyphenated."""
    from chunk7.commands.explore import _COUNTS
    from chunk7.simulator.explore.schedule import ALWAYS

    assert list(_COUNTS) == ["schedules", *ALWAYS]


@pytest.mark.parametrize("colours", [False, True])
def test_a_name_gives_no_orders_to_the_terminal_and_is_no_markup(colours: bool) -> None:
    """A raw ESC reached it, and `[/]` in a reason ended in a traceback."""
    name = "own\x1b[2J\x1b]0;owned \x9b31m [red]x[/] \u202e"
    shown = "own\\x1b[2J\\x1b]0;owned \\x9b31m [red]x[/] \\u202e"
    out = io.StringIO()
    console = PlainConsole(
        file=out,
        width=200,
        force_terminal=colours,
        color_system="standard" if colours else None,
        markup=False,
    )
    console.print(name, style="bold red", highlight=False)
    table = Table()
    table.add_column("name")
    table.add_row(name, style="red")
    console.print(table)
    plain = re.sub("\x1b\\[[0-9;]*m", "", out.getvalue())  # rich's own colours
    assert plain.count(shown) == 2
    assert not set(plain) & {"\x1b", "\x9b", "\u202e"}
    assert ("\x1b[" in out.getvalue()) is colours


def test_an_error_that_repeats_what_was_given_gives_none_either(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["report", "/no/such\x1b[2J"]) != 0
    said = capsys.readouterr().err
    assert "/no/such\\x1b[2J" in said
    assert "\x1b" not in said
