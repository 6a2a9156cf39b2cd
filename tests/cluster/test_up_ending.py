"""What `chunk7 up` says of its run folder, at its start and at its end."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from chunk7.cluster.jobs.up import recorded, recording
from chunk7.delivery.errors import Interrupted


def test_an_end_names_the_newest_round_and_the_command_that_judges_it(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    assert recorded(folder) == f"no load test was run: {folder} has logs only"
    for name in ("up", "up-2"):
        (folder / "rounds" / name).mkdir(parents=True)
        (folder / "rounds" / name / "manifest.json").touch()
    assert recorded(folder) == (
        f"recorded 2 rounds in {folder}/rounds; to judge the newest: "
        f"chunk7 report '{folder}/rounds/up-2'"
    )


def test_it_is_said_whatever_the_end_is(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=20)
    with pytest.raises(Interrupted), recording(tmp_path, console):
        raise Interrupted("SIGINT", 2)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        f"records go into {tmp_path}",
        f"no load test was run: {tmp_path} has logs only",
    ]
