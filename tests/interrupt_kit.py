"""Ctrl-C at random instants: which, and what the run folder must be afterwards."""

import json
import os
import random
import signal
from pathlib import Path

import pandas as pd
from call_kit import Call

import chunk7

STOPPED = (130, -signal.SIGINT)
"""The second is what Python makes of it where it came in the midst of an import; 130 to a shell."""
OURS = str(Path(chunk7.__file__).parent)
"""Where our files are, as a traceback names them."""
_SEED = 13


def instants(begun_s: float, whole_s: float, fewest: int) -> list[float]:
    """Seconds from the command's start: one at random in each of so many equal parts."""
    count = int(os.environ.get("INSTANTS", fewest))
    rng, part_s = random.Random(_SEED), (whole_s - begun_s) / count
    return [round(begun_s + (number + rng.random()) * part_s, 3) for number in range(count)]


def came_before_ours(code: int, said: str) -> bool:
    """Whether Python had not come to our first line: half a second on a busy machine. Then
    what it says of Ctrl-C is its own, and no file of ours is in it.
    """
    return code in (1, *STOPPED) and "KeyboardInterrupt" in said and OURS not in said


def assert_readable(folder: Path, call: Call) -> None:
    """It can be reported on; valid is only what streamed to its end, and nothing is half there.

    Ctrl-C may come when all is streamed and it is only being judged: then there is no summary, or
    that of a whole run.
    """
    assert not list(folder.parent.rglob("*.partial-*"))
    if not (folder / "manifest.json").exists():
        assert call("report", folder).returncode == 2
        return
    summary = folder / "summary.json"
    known = json.loads(summary.read_text())["valid"] if summary.exists() else None
    told = call("report", folder)
    assert told.returncode in ({True: (0,), False: (98,), None: (0, 98)}[known]), told
    assert (folder / "report.html").exists()
    if told.returncode == 0:
        assert "order_done" in set(pd.read_parquet(folder / "events.parquet")["kind"])
