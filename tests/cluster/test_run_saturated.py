"""A run in which chunk7 itself is what cannot keep up says so, whatever it found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.measured]  # it leaves nothing for others

PAIR = ("--connect", "buffered_merge", "--write", "atomic_lua")
FAR_TOO_MUCH = ("--users", "800", "--chunk-rate", "2000", "--duration", "2", "--nodes", "1")
"""1.6 million chunks a second to one node and one Locust process."""


def test_more_than_it_can_carry_makes_a_run_not_valid(tmp_path: Path) -> None:
    words = (*PAIR, *FAR_TOO_MUCH, "--json", "--out", str(tmp_path / "run"))
    done = subprocess.run(
        [sys.executable, "-m", "chunk7", "run", *words],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 98, done.stderr
    summary = json.loads(done.stdout)
    assert not summary["valid"]
    assert [why for why in summary["invalid_because"] if "was saturated" in why]
