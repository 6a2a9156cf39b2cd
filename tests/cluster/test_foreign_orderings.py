"""Somebody else's ordering file never hangs a command: it is tried out where it can be stopped."""

from pathlib import Path

import pytest
from call_kit import Call

HEAD = """
from chunk7.delivery.effects import *
from chunk7.delivery.ordering import connect_ordering, write_ordering

"""
CONNECT = HEAD + "@connect_ordering()\ndef mine(join):\n"
WRITE = HEAD + "@write_ordering()\ndef mine(chunk):\n"
FOR_EVER = "    while True:\n        pass\n    yield\n"
ENDLESS_ON_LOADING = "while True:\n    pass\n"
ENDLESS_YIELDS = "    while True:\n        yield Pause()\n"


@pytest.mark.parametrize(
    ("command", "option", "content", "message"),
    [
        ("run", "--connect", CONNECT + ENDLESS_YIELDS, "asked for more than 1000 effects"),
        ("run", "--connect", CONNECT + "    yield 7\n", "yielded 7, which is no effect"),
        ("reproduce", "--write", WRITE + "    yield 7\n", "yielded 7, which is no effect"),
    ],
)
def test_a_broken_file_is_one_line(
    call: Call, tmp_path: Path, command: str, option: str, content: str, message: str
) -> None:
    path = tmp_path / "own.py"
    path.write_text(content)
    ended = call(command, option, f"{path}:mine")
    assert ended.returncode == 1
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("command", "option", "content"),
    [
        ("run", "--connect", ENDLESS_ON_LOADING),
        ("run", "--write", WRITE + FOR_EVER),
        ("reproduce", "--connect", CONNECT + FOR_EVER),
    ],
)
def test_a_file_that_loops_for_ever_is_one_line(
    call: Call, tmp_path: Path, command: str, option: str, content: str
) -> None:
    test_a_broken_file_is_one_line(
        call, tmp_path, command, option, content, "it seems to loop for ever"
    )


@pytest.mark.parametrize(
    ("command", "has"), [("run", "a run has no clients but"), ("simulate", "simulate has no clie")]
)
def test_a_client_of_ones_own_is_refused_where_nobody_plays_it(
    call: Call, tmp_path: Path, command: str, has: str
) -> None:
    path = tmp_path / "own.py"
    path.write_text(CONNECT.replace("()", '(client="last_id")', 1) + "    yield SendWelcome()\n")
    ended = call(command, "--connect", f"{path}:mine", "--write", "atomic_lua")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"mine: {has}" in ended.stderr
    assert ended.stderr.count("\n") == 1
