"""What users of a target saw -> receipts, as the users of our own nodes write them down.

A target's frames need not say which chunk they bring, so its users note what they read
(`sightings`), and `settle` finds out afterwards which of the published chunks (`texts`) that was.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from chunk7.analysis.alignment import (
    Alignment,
    ExpectedChunk,
    ReceivedPiece,
    SessionText,
    Stretch,
    align,
)
from chunk7.delivery.chunk import digest
from chunk7.delivery.errors import RecordError
from chunk7.wire.record_file import RecordFile
from chunk7.wire.records import TABLES, ReadBack, cut_in_head, read_back
from chunk7.wire.whole_files import whole_file

NAME = "alignments.parquet"
MARK = b"settled"
"""In the metadata of receipts made here: of what they were made."""
ROWS_AT_ONCE = 100_000
_NEVER_NULL = {
    "sightings": ("connection_id", "via", "at_ns"),
    "texts": ("session_id", "seq"),
    "resumes": ("connection_id", "previous"),
}

_STRETCH = pa.struct(
    [
        ("first_seq", pa.int32()),
        ("last_seq", pa.int32()),
        ("message_id", pa.string()),
        ("index", pa.int32()),
        ("at_character", pa.int64()),
        ("characters", pa.int64()),
        ("at_ns", pa.int64()),
        ("ambiguous", pa.bool_()),
    ]
)
SCHEMA = pa.schema(
    [
        ("process", pa.string()),
        ("connection_id", pa.int64()),
        ("session_id", pa.string()),
        ("by", pa.string()),
        ("after_seq", pa.int32()),
        ("pieces", pa.int32()),
        ("unexpected", pa.int32()),
        *((name, pa.list_(_STRETCH)) for name in ("holes", "repeats", "swaps")),
    ]
)


@dataclass(frozen=True, slots=True)
class _Session:
    """A session's chunks: `seq` and `digest` of each in `text.chunks`."""

    session_id: str
    text: SessionText
    seqs: tuple[int, ...]
    digests: tuple[int, ...]


@dataclass(slots=True)
class _Heard:
    """What a later connection may refer to: where each id, and the latest of each index, ended."""

    before: "_Heard | None"
    by_id: dict[str, int] = field(default_factory=dict)
    by_index: dict[int, int] = field(default_factory=dict)


def settle(raw: Path) -> dict[int, int]:
    """Write PROCESS.receipts.arrows for every process with sightings, and `alignments.parquet`.

    The latter, beside `raw`, says of each connection how its chunks were told apart, and where it
    had holes, repeats and swaps (docs/results.md). What comes back is `after_seq` by connection_id,
    of those that went on from an earlier one. Settling again writes the same. Memory is that of
    all texts and of one process's sightings. Raises RecordError, naming the file, for what is
    damaged or contradicts itself.
    """
    processes = sorted({_process(p) for n in ("sightings", "resumes") for p in _files(raw, n)})
    if not processes:
        return {}
    sessions = _Sessions(raw)
    after: dict[int, int] = {}
    rows: list[dict[str, Any]] = []
    for process in processes:
        for row, resumed in _settle_process(raw, process, sessions):
            rows.append(row)
            if resumed:
                after[row["connection_id"]] = row["after_seq"]
    with whole_file(raw.parent / NAME) as partial:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), partial, write_page_checksum=True)
    return after


def told_apart_by(folder: Path) -> dict[str, int]:
    """How many connections of a gathered run folder were read by which means; the surest first.

    Only those that received something. Raises RecordError for a damaged `alignments.parquet`.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    try:
        rows = pq.read_table(path, columns=["by", "pieces"]).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    means = [row["by"] for row in rows if row["pieces"]]
    return {by: means.count(by) for by in ("seq", "index", "text") if by in means}


def _files(raw: Path, table: str) -> list[Path]:
    return sorted(raw.glob(f"*.{table}.arrows"))


def _process(path: Path) -> str:
    return path.stem.rpartition(".")[0]


def _read(raw: Path, process: str, table: str) -> ReadBack:
    path = raw / f"{process}.{table}.arrows"
    if not path.exists() or cut_in_head(path):
        return ReadBack(process, "", TABLES[table].empty_table(), complete=True)
    back = read_back(path)
    if not back.table.schema.equals(TABLES[table]):
        raise RecordError(f"{path}: its columns are not those of {table}")
    for name in _NEVER_NULL.get(table, ()):
        if back.table[name].null_count:
            raise RecordError(f"{path}: has rows without {name}")
    return back


class _Sessions:
    """Everything published, by session; each session's text is put together when it is asked for.

    Only the latest is kept: connections come session by session.
    """

    def __init__(self, raw: Path) -> None:
        tables = [_read(raw, _process(path), "texts").table for path in _files(raw, "texts")]
        self._table = pa.concat_tables([TABLES["texts"].empty_table(), *tables]).combine_chunks()
        self._rows: dict[str, list[int]] = defaultdict(list)
        for row, session_id in enumerate(self._table["session_id"].to_pylist()):
            self._rows[session_id].append(row)
        self._latest: _Session | None = None

    def of(self, session_id: str) -> _Session:
        """A session's chunks, in the order of their numbers; none for one that nobody knows."""
        if self._latest is None or self._latest.session_id != session_id:
            rows = self._table.take(pa.array(self._rows.get(session_id, []), pa.int64()))
            self._latest = _session(session_id, rows.to_pylist())
        return self._latest


def _session(session_id: str, rows: list[dict[str, Any]]) -> _Session:
    _number(rows)
    if all(row["seq"] for row in rows):
        rows.sort(key=lambda row: row["seq"])
    chunks = [
        ExpectedChunk(row["seq"], row["message_id"], row["index"], row["text"] or "")
        for row in rows
    ]
    digests = [
        digest(row["message_id"] or "", row["index"] or 0, row["text"] or "", bool(row["final"]))
        for row in rows
    ]
    return _Session(session_id, SessionText(chunks), tuple(c.seq for c in chunks), tuple(digests))


def _number(rows: list[dict[str, Any]]) -> None:
    """Give a chunk whose number nobody learnt the one after the chunk before it, if that is free.

    Its publication is recorded without a number, too; the receipts then name both
    (chunk7.analysis.verdicts.number_from_receipts).
    """
    taken = {row["seq"] for row in rows}
    latest = 0
    for row in rows:
        if not row["seq"]:
            row["seq"] = latest + 1 if latest + 1 not in taken else 0
        latest = row["seq"] or latest


# --- one process ---------------------------------------------------------------------------


def _settle_process(
    raw: Path, process: str, sessions: _Sessions
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Write its receipts; a row of `alignments.parquet` a connection, and whether it resumed."""
    sightings, opened = (_read(raw, process, table) for table in ("sightings", "opened"))
    resumes = {
        row["connection_id"]: row for row in _read(raw, process, "resumes").table.to_pylist()
    }
    referred = {row["previous"] for row in resumes.values()}
    heard: dict[int, _Heard] = {}
    with _Receipts(raw, opened, sightings.complete) as receipts:
        for connection_id, session_id, seen in _by_connection(
            raw, sightings.table, opened.table.select(["connection_id", "session_id"])
        ):
            session, resume = sessions.of(session_id), resumes.get(connection_id)
            before = None if resume is None else heard.get(resume["previous"])
            at, after_seq = _said(session, resume, before)
            found = align(session.text, [_piece(session, row) for row in seen], at)
            receipts.add(connection_id, session, seen, found)
            if connection_id in referred:
                heard[connection_id] = _heard(before, session, seen, found)
            head = {"process": process, "connection_id": connection_id, "session_id": session_id}
            yield head | {"after_seq": after_seq} | _row(session, seen, found), resume is not None


def _by_connection(
    raw: Path, sightings: pa.Table, opened: pa.Table
) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """(connection_id, session_id, its sightings), session by session, in the order of opening."""
    ids = sightings["connection_id"].to_numpy()
    order = np.argsort(ids, kind="stable")
    known, begins, counts = np.unique(ids[order], return_index=True, return_counts=True)
    ordered = sightings.take(pa.array(order)).combine_chunks()
    nothing = ordered.slice(0, 0)
    spans = {
        one: ordered.slice(begin, count)
        for one, begin, count in zip(known.tolist(), begins, counts, strict=True)
    }
    ranked: dict[str, list[int]] = defaultdict(list)
    for row in opened.to_pylist():
        ranked[row["session_id"]].append(row["connection_id"])
    stray = spans.keys() - {one for many in ranked.values() for one in many}
    if stray:
        raise RecordError(
            f"{raw}: contradictory records: sightings of {len(stray)} connections never opened"
        )
    for session_id, connections in ranked.items():
        for connection_id in connections:
            yield connection_id, session_id, spans.get(connection_id, nothing).to_pylist()


def _piece(session: _Session, row: dict[str, Any]) -> ReceivedPiece:
    foreign = _is_foreign(session, row)
    return ReceivedPiece(row["text"], row["seq"], row["message_id"], row["index"], foreign)


def _is_foreign(session: _Session, row: dict[str, Any]) -> bool:
    return row["session_id"] not in (None, session.session_id)


# --- where a connection goes on ------------------------------------------------------------


def _said(
    session: _Session, resume: dict[str, Any] | None, before: _Heard | None
) -> tuple[int, int]:
    """What a client said it has: characters of the session's text, and the number of the last
    chunk that is whole in them."""
    if resume is None:
        return 0, 0
    bounds = session.text.bounds
    if resume["seq"] is not None:
        return bounds[bisect_right(session.seqs, resume["seq"])], resume["seq"]
    at = 0
    while before is not None and not at:
        at = before.by_id.get(resume["id"], 0) or before.by_index.get(resume["index"], 0)
        before = before.before
    whole = bisect_right(bounds, at) - 1
    return at, session.seqs[whole - 1] if whole else 0


def _heard(
    before: _Heard | None, session: _Session, seen: Sequence[dict[str, Any]], found: Alignment
) -> _Heard:
    heard = _Heard(before)
    for row, end, places in zip(seen, found.ends, found.completed, strict=True):
        if row["id"] is not None:
            heard.by_id[row["id"]] = end
        for place in places:
            index = session.text.chunks[place].index
            if index is not None:
                heard.by_index[index] = session.text.bounds[place + 1]
    return heard


# --- writing -------------------------------------------------------------------------------


def _row(session: _Session, seen: list[dict[str, Any]], found: Alignment) -> dict[str, Any]:
    def stretches(many: Iterable[Stretch]) -> list[dict[str, Any]]:
        return [_stretch(session, seen, one) for one in many]

    return {
        "by": found.by,
        "pieces": len(seen),
        "unexpected": sum(found.unexpected),
        "holes": stretches(found.holes),
        "repeats": stretches(found.repeats),
        "swaps": stretches(found.swaps),
    }


def _stretch(session: _Session, seen: list[dict[str, Any]], one: Stretch) -> dict[str, Any]:
    first = session.text.chunks[one.first]
    return {
        "first_seq": first.seq,
        "last_seq": session.text.chunks[one.last].seq,
        "message_id": first.message_id,
        "index": first.index,
        "at_character": one.at,
        "characters": one.characters,
        "at_ns": seen[one.piece]["at_ns"],
        "ambiguous": one.ambiguous,
    }


class _Receipts:
    """PROCESS.receipts.arrows, complete exactly when the sightings are."""

    def __init__(self, raw: Path, opened: ReadBack, complete: bool) -> None:
        self._path = raw / f"{opened.process}.receipts.arrows"
        self._complete = complete
        head = {b"table": b"receipts", MARK: b"sightings"}
        metadata = (opened.table.schema.metadata or {}) | head
        self._schema = TABLES["receipts"].with_metadata(metadata)
        self._rows: list[tuple[int, int, int, int, int]] = []

    def __enter__(self) -> "_Receipts":
        if self._path.exists() and not _made_here(self._path):
            raise RecordError(f"{self._path}: contradictory records: receipts beside sightings")
        self._partial = self._path.with_suffix(".partial")
        self._partial.unlink(missing_ok=True)
        self._file = RecordFile(self._partial, self._schema.serialize())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._file.close(complete=kind is None and self._complete)
        if kind is None:
            self._partial.rename(self._path)

    def add(
        self, connection_id: int, session: _Session, seen: list[dict[str, Any]], found: Alignment
    ) -> None:
        """One connection's: a receipt a chunk that a piece completed, or one of what is in none."""
        for row, places, unexpected in zip(seen, found.completed, found.unexpected, strict=True):
            end = row["via"], row["at_ns"]
            for place in places:
                chunk = session.seqs[place], session.digests[place]
                self._rows.append((connection_id, *chunk, *end))
            if unexpected:
                self._rows.append((connection_id, *_unexpected(session, row), *end))
        if len(self._rows) >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._schema)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)]
        self._file.append(pa.record_batch(arrays, self._schema).serialize())
        self._rows = []


def _made_here(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK in (pa.ipc.open_stream(file).schema.metadata or {})


def _unexpected(session: _Session, row: dict[str, Any]) -> tuple[int, int]:
    """(seq, digest) of what no chunk is; 0 where it says no number, or one of another session."""
    came = digest(row["message_id"] or "", row["index"] or 0, row["text"] or "", False)
    return 0 if _is_foreign(session, row) else row["seq"] or 0, came
