"""Measure `notebooks/sample_sweep/` anew: `python -m notebooks.make_sample_sweep`, five minutes.

Thirteen live runs and their simulation. Kept is the document, without the run folders; a live point
that was not valid stays, and says so.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SAMPLE = HERE / "sample_sweep"
OPTIONS = (
    "--connect", "history_then_subscribe,subscribe_then_history",
    "--write", "publish_then_save,atomic_lua",
    "--chunk-rate", "10,20,40,80", "--base-chunk-rate", "40",
    "--store-latency-ms", "0,2,5,10",
    "--node-work-ms", "0,3,6,12", "--base-node-work-ms", "3",
    "--concurrent-joins", "25,50,100,200", "--base-concurrent-joins", "100",
    "--sessions", "6", "--duration", "2.5", "--save-lag-ms", "6",
)  # fmt: skip
"""The base is that of the sample run, but for the chunk rate."""
HELD, NOT_VALID = 0, 98


def main() -> int:
    """Measure, and put in the place of the sample that is there."""
    with tempfile.TemporaryDirectory() as scratch:
        sweep = Path(scratch) / "sweep"
        command = [sys.executable, "-m", "chunk7", "sweep", *OPTIONS, "--out", str(sweep)]
        code = subprocess.run(command, cwd=HERE.parent, timeout=1_800).returncode
        if code not in (HELD, NOT_VALID):
            return code
        SAMPLE.mkdir(exist_ok=True)
        shutil.copy(sweep / "sweep.json", SAMPLE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
