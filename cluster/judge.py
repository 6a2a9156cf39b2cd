"""From a run folder to its summary, also when the run broke off or its records are damaged."""

from pathlib import Path

import msgspec

from analysis.manifest import read_manifest
from analysis.results import NAME, Summary, analyse
from delivery.errors import Chunk7Error, RecordError


def judge(folder: Path, error: Chunk7Error | None) -> Summary:
    """Gather and judge what was recorded; `error` is what ended the run early.

    There is always a summary.json afterwards, and it is valid only if nothing speaks against it.
    """
    against = [] if error is None else [str(error).splitlines()[0].removesuffix(":")]
    (folder / "raw").mkdir(exist_ok=True)  # nobody has recorded anything if the start failed
    try:
        return analyse(folder, against)
    except RecordError as damage:
        summary = Summary(
            valid=False,
            invalid_because=[*against, str(damage)],
            seed=read_manifest(folder).seed,
            run_dir=str(folder),
            results=[],
        )
        (folder / NAME).write_bytes(msgspec.json.encode(summary) + b"\n")
        return summary
