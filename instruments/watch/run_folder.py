"""What was watched, in the tables of a run: published and joins, with what is not known null.

The store's own instants stand for sent and done alike. Nobody saw a client, so there is not one
connection in the folder, and judging it says so: it is for who reads the tables.
"""

from pathlib import Path

import msgspec

from chunk7.analysis.gather import gather
from chunk7.analysis.manifest import Manifest, Traits, write_manifest
from chunk7.instruments.watch.document import WatchDocument
from chunk7.instruments.watch.handover import WatchedChunk, WatchedJoin
from chunk7.instruments.watch.log import Watched
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.recorder import Recorder
from chunk7.wire.whole_files import write_whole

WATCHED = "watched"
"""The name of both orderings: which they are, nobody said."""


def write_run_folder(folder: Path, watched: Watched, document: WatchDocument) -> None:
    """Write the tables, the manifest, and `watch.json` into a new or empty folder."""
    recorder = Recorder(folder / "raw", "watch")
    for chunk in watched.found.chunks:
        _note_chunk(recorder, chunk)
    for number, join in enumerate(watched.found.joins, 1):
        _note_join(recorder, number, join)
    recorder.close()
    (folder / "raw").mkdir(exist_ok=True)
    write_manifest(folder, _manifest(watched))
    gather(folder)
    write_whole(folder / "watch.json", msgspec.json.encode(document) + b"\n")


def _note_chunk(recorder: Recorder, chunk: WatchedChunk) -> None:
    payload = chunk.payload
    published_ns = _ns(chunk.publish.at_us) if chunk.publish else None
    saved_ns = _ns(chunk.save.at_us) if chunk.save else None
    recorder.add(
        "published",
        cell=0,
        write=WATCHED,
        session_id=chunk.session,
        message_id=payload.message_id,
        index=payload.index,
        seq=payload.seq or 0,
        digest=payload.digest,
        final=payload.final,
        started_ns=saved_ns if published_ns is None else published_ns,
        publish_sent_ns=published_ns,
        publish_done_ns=published_ns,
        save_sent_ns=saved_ns,
        save_done_ns=saved_ns,
    )


def _note_join(recorder: Recorder, number: int, join: WatchedJoin) -> None:
    arrival = join.arrival
    followed = arrival is not None and join.window_us == 0 and arrival.cursor is not None
    subscribed_ns = _ns(arrival.at_us) if arrival and not followed else None
    recorder.add(
        "joins",
        connection_id=number,
        session_id=join.session,
        node=join.read.client,
        connect=WATCHED,
        read_sent_ns=_ns(join.read.at_us),
        read_done_ns=_ns(join.read.at_us),
        subscribe_sent_ns=subscribed_ns,
        subscribe_done_ns=subscribed_ns,
        subscribe_shared=None if arrival is None else False,
        error=join.because,
    )


def _manifest(watched: Watched) -> Manifest:
    plan = Plan(
        run=WATCHED,
        cells=[Cell(WATCHED, WATCHED)],
        seed=0,
        users=len(watched.found.joins),
        sessions=len({chunk.session for chunk in watched.found.chunks}),
        duration_ms=round(watched.seconds * 1_000),
        chunk_rate=None,
        save_lag_ms=0.0,
        settle_ms=0,
    )
    return Manifest(plan=plan, traits={WATCHED: Traits()}, extra={"watch": True})


def _ns(at_us: int) -> int:
    return at_us * 1_000
