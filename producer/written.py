"""What is known of one chunk when its write ordering has ended: a row of the table `published`."""

from dataclasses import dataclass, fields
from operator import attrgetter


@dataclass(slots=True)
class Written:
    """One row of the table `published`, in the order of its columns (wire/records.py).

    Where an ordering publishes or saves a chunk more than once, the first time counts.
    """

    cell: int
    write: str
    session_id: str
    message_id: str
    index: int
    seq: int
    digest: int
    final: bool
    intended_ns: int
    started_ns: int
    publish_sent_ns: int | None = None
    publish_done_ns: int | None = None
    save_sent_ns: int | None = None
    save_done_ns: int | None = None
    receivers: int | None = None
    error: str | None = None


row_of = attrgetter(*(field.name for field in fields(Written)))
"""A Written as the tuple that Recorder.add_row takes."""


def text_row(written: Written, text: str) -> tuple[int, str, str, int, int, bool, str]:
    """A row of the table `texts`: which chunk it was, and what it says."""
    chunk = written.cell, written.session_id, written.message_id, written.index, written.seq
    return *chunk, written.final, text
