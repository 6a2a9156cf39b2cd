"""From a run folder to its study, also when the run broke off or its records are damaged."""

from pathlib import Path

import msgspec

from chunk7.analysis.manifest import read_manifest
from chunk7.analysis.results import NAME, Summary
from chunk7.analysis.study import Study, analyse
from chunk7.delivery.errors import Chunk7Error, RecordError


def judge(folder: Path, error: Chunk7Error | None) -> tuple[Summary, Study | None]:
    """Gather and judge what was recorded; `error` is what ended the run early.

    There is always a summary.json afterwards, and it is valid only if nothing speaks against it.
    There is no Study of records that are damaged.
    """
    against = [] if error is None else [str(error).splitlines()[0].removesuffix(":")]
    (folder / "raw").mkdir(exist_ok=True)  # nobody has recorded anything if the start failed
    try:
        study = analyse(folder, against)
        return study.summary, study
    except RecordError as damage:
        summary = Summary(
            valid=False,
            invalid_because=[*against, str(damage)],
            seed=read_manifest(folder).seed,
            run_dir=str(folder),
            results=[],
        )
        (folder / NAME).write_bytes(msgspec.json.encode(summary) + b"\n")
        return summary, None
