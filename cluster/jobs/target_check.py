"""A producer beside `chunk7 target check`, so that there is something to be received."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from chunk7.cluster.deployments.local import python
from chunk7.delivery.errors import Chunk7Error
from chunk7.loadtest.targets.adapter import ProduceRule
from chunk7.wire.store.option import ENVIRONMENT

_ENDS_WITHIN_S = 5.0


@contextmanager
def written_for(produce: ProduceRule, redis: str, seconds: float) -> Iterator[str]:
    """Write one session meanwhile, as the adapter says; gives the session's id.

    Raises Chunk7Error with the producer's own line if it could not.
    """
    run = f"check-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="chunk7-") as folder:
        layout = Path(folder, "layout.json")
        layout.write_bytes(msgspec.json.encode(produce.templates()))
        options = {
            "--layout": layout,
            "--write": produce.write[0],
            "--run": run,
            "--sessions": 1,
            "--duration": f"{max(0.1, seconds):g}",
            "--history-ttl-s": produce.ttl_s,
        }
        process = subprocess.Popen(
            python("chunk7.producer", options),
            env=os.environ | {ENVIRONMENT: redis},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield f"{run}-0-0"
        finally:
            process.terminate()
            try:
                _, said = process.communicate(timeout=_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                _, said = process.communicate()
    if process.returncode > 0:
        raise Chunk7Error(said.strip().splitlines()[-1])
