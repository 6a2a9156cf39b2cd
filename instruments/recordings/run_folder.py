"""Two recordings as a run folder, which the report and the comparison read: one connection.

The expected recording's instants count as publication, so both must be of one clock. There was no
node, so there are no joins, and no window is known.
"""

from pathlib import Path

from chunk7.analysis.gather import gather
from chunk7.analysis.manifest import SETTLE_MS, Manifest, TargetFacts, Traits, write_manifest
from chunk7.delivery.chunk import digest
from chunk7.delivery.errors import UsageError
from chunk7.instruments.recordings.judging import ComparedRecordings
from chunk7.instruments.recordings.reading import ReadRecording, RecordedPiece
from chunk7.wire.folders import make_empty
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.recorder import Recorder
from chunk7.wire.tables import Via

RECORDED = "recorded"
"""The name of both orderings, of the session and its message: which they are, nobody said."""
_CONNECTION = 1


def write_run_folder(folder: Path, compared: ComparedRecordings) -> None:
    """Write it into a new or empty folder. Raises UsageError when it is another, or a recording
    has no instants."""
    published_ns = _instants(compared.expected, compared.chunks)
    received_ns = _instants(compared.received, compared.received.pieces)
    make_empty(folder)
    recorder = Recorder(folder / "raw", RECORDED)
    for place, at_ns in enumerate(published_ns):
        recorder.add(
            "published",
            cell=0,
            write=RECORDED,
            session_id=RECORDED,
            message_id=RECORDED,
            index=place,
            seq=place + 1,
            digest=_digest(compared, place),
            final=False,
            started_ns=at_ns,
            publish_sent_ns=at_ns,
            publish_done_ns=at_ns,
        )
    _note_connection(recorder, compared, published_ns, received_ns)
    for n, at_ns in enumerate(received_ns):
        via = Via.HISTORY if compared.received.pieces[n].is_history else Via.LIVE
        for place in compared.found.completed[n]:
            row = (_CONNECTION, place + 1, _digest(compared, place), via, at_ns)
            recorder.add_row("receipts", row)
        if compared.found.unexpected[n]:
            came = digest("", 0, compared.received.pieces[n].seen.text or "", False)
            recorder.add_row("receipts", (_CONNECTION, 0, came, via, at_ns))
    recorder.close()
    write_manifest(folder, _manifest(compared, published_ns))
    gather(folder)


def _note_connection(
    recorder: Recorder,
    compared: ComparedRecordings,
    published_ns: list[int],
    received_ns: list[int],
) -> None:
    """It opened when it asked, or with its first piece; it left with its last, or at the end."""
    asked_ns = compared.received.recording.content.asked_ns
    opening_ns = min(received_ns if asked_ns is None else [asked_ns, *received_ns])
    leave_ns = max(received_ns) + 1
    if compared.ended:
        leave_ns = max(leave_ns, max(published_ns) + 1) + SETTLE_MS * 1_000_000
    recorder.add(
        "opened",
        connection_id=_CONNECTION,
        cell=0,
        connect=RECORDED,
        write=RECORDED,
        session_id=RECORDED,
        user=0,
        after_seq=compared.after,
        opening_ns=opening_ns,
        leave_ns=leave_ns,
    )
    recorder.add(
        "closed",
        connection_id=_CONNECTION,
        connected_ns=opening_ns,
        closed_ns=leave_ns,
        by_server=False,
    )


def _instants(read: ReadRecording, pieces: tuple[RecordedPiece, ...]) -> list[int]:
    instants = [piece.at_ns for piece in pieces if piece.at_ns is not None]
    if len(instants) < len(pieces):
        raise UsageError(
            f"--out: {read.recording.path} has no instants, and a run folder is made of them"
        )
    return instants


def _digest(compared: ComparedRecordings, place: int) -> int:
    return digest(RECORDED, place, compared.text.chunks[place].text, False)


def _manifest(compared: ComparedRecordings, published_ns: list[int]) -> Manifest:
    received, expected = (
        str(read.recording.path) for read in (compared.received, compared.expected)
    )
    plan = Plan(
        run=RECORDED,
        cells=[Cell(RECORDED, RECORDED)],
        seed=0,
        users=1,
        sessions=1,
        duration_ms=max(1, (max(published_ns) - min(published_ns)) // 1_000_000),
        chunk_rate=None,
        save_lag_ms=0.0,
        settle_ms=SETTLE_MS,
    )
    return Manifest(
        plan=plan,
        traits={RECORDED: Traits()},
        target=TargetFacts(RECORDED, url=received, file=expected, reference="recording"),
        extra={"recordings": True},
    )
