"""What runs beside `chunk7 target check`: a producer, so that there is something to be received,
and the target itself, where its adapter says how it is started.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from chunk7.cluster.deployments.parts import HOST, python
from chunk7.cluster.deployments.started import StartedTarget
from chunk7.cluster.jobs.interrupts import run_interruptibly
from chunk7.delivery.errors import Chunk7Error
from chunk7.loadtest.targets.adapter import Adapter, ProduceRule
from chunk7.loadtest.targets.visiting import in_thread
from chunk7.wire.store.option import ENVIRONMENT

_ENDS_WITHIN_S = 5.0
_BEGINS = ": listening on "
"""What a producer says once it serves, and writes."""
Result = TypeVar("Result")


def with_started(adapter: Adapter, redis: str | None, look: Callable[[Adapter], Result]) -> Result:
    """What a look at the target comes to, which is started for it, and stopped after it.

    Raises as `chunk7.cluster.deployments.started.start`, and Interrupted.
    """

    async def looked() -> Result:
        with tempfile.TemporaryDirectory(prefix="chunk7-") as folder:
            async with StartedTarget(adapter, redis, Path(folder)) as target:
                return await in_thread(lambda: look(target.adapter))

    return run_interruptibly(looked())


@contextmanager
def written_for(produce: ProduceRule, redis: str, seconds: float) -> Iterator[str]:
    """Write one session meanwhile, as the adapter says; gives the session's id once it is written.

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
            "--listen": f"{HOST}:0",  # so that it says when it begins
        }
        process = subprocess.Popen(
            python("chunk7.producer", options),
            env=os.environ | {ENVIRONMENT: redis},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            # Its imports alone may take longer than the look. Its own waits are bounded.
            assert process.stderr is not None
            said = list(_until_it_begins(process.stderr))
            begun = bool(said) and _BEGINS in said[-1]
            if begun:
                yield f"{run}-0-0"
        finally:
            process.terminate()
            try:
                process.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        said += process.stderr
    if process.returncode > 0 or not begun:
        raise Chunk7Error(said[-1].strip() if said else "the producer ended without a word")


def _until_it_begins(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if _BEGINS in line:
            return
