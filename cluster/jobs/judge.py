"""From a run folder to its study, also when the run broke off or its records are damaged."""

import contextlib
from pathlib import Path

from chunk7.analysis.manifest import read_manifest
from chunk7.analysis.results import Summary, write_summary
from chunk7.analysis.study import Study, analyse
from chunk7.cluster.jobs.unexpected import as_line
from chunk7.delivery.errors import Chunk7Error, RecordError, WriteError
from chunk7.wire.shortage import shortage


def judge(
    folder: Path, error: Chunk7Error | None
) -> tuple[Summary, Study | None, Chunk7Error | None]:
    """Gather and judge what was recorded; `error` is what ended the run early.

    There is a summary.json afterwards, valid only if nothing speaks against the run. There is no
    Study of records that are damaged, nor where the tables cannot be written: the third is why, and
    `chunk7 report` makes them of the raw records once there is room.
    """
    against = [] if error is None else [str(error).splitlines()[0].removesuffix(":")]
    try:
        (folder / "raw").mkdir(exist_ok=True)  # nobody has recorded anything if the start failed
        study = analyse(folder, against)
        return study.summary, study, None
    except (RecordError, WriteError, OSError) as damage:
        if isinstance(damage, OSError) and shortage(damage) is None:
            raise
        told = damage if isinstance(damage, Chunk7Error) else as_line(damage, folder)
        summary = _without_results(folder, [*against, str(told)])
        if isinstance(told, RecordError):
            write_summary(folder, summary)
            return summary, None, None
        with contextlib.suppress(WriteError):  # what holds once there is room is not against it
            if against:
                write_summary(folder, _without_results(folder, against))
        return summary, None, told


def _without_results(folder: Path, against: list[str]) -> Summary:
    return Summary(
        valid=False,
        invalid_because=against,
        seed=read_manifest(folder).seed,
        run_dir=str(folder),
        results=[],
    )
