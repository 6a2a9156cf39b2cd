"""The file of Locust's `--html`: Locust writes it last of all but the `quitting` event."""

from collections.abc import Callable
from pathlib import Path

from chunk7.wire.whole_files import write_whole


def add_to_report_file(path: Path, since_unix_s: float, into_report: Callable[[str], str]) -> None:
    """Put the delivery into a report file, if Locust has written one since then.

    It writes none after SIGTERM, and then an older one is not ours to change.
    """
    if path.is_file() and path.stat().st_mtime >= since_unix_s:
        write_whole(path, into_report(path.read_text("utf-8")))
