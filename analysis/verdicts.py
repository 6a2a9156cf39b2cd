"""What every connection saw of every chunk. The rules are argued in docs/verdicts.md.

All of it is arithmetic on arrays. Chunks are sorted by session and number; the chunks that a
connection may expect are therefore one range of rows, and a **pair** is one connection and one row
of its range. Pairs are numbered through, connection by connection.

Only clients that did not come straight (chunk7.analysis.straight) are judged pair by pair.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chunk7.analysis.latencies import Latencies
from chunk7.analysis.run_folder import Instants, Receipts, Run
from chunk7.analysis.straight import Expected, straight
from chunk7.wire.tables import Via

Ints = NDArray[np.int64]
Bits = NDArray[np.bool_]

ACCOUNTS = (
    "expected", "delivered", "lost", "undetermined", "duplicate", "out_of_order", "rewinds",
    "unexpected", "unrecorded", "fetched", "receipts", "before_opened", "before_published", "timed",
)  # fmt: skip

LOG_LATE_NS = 50e6
"""How much later than its chunk a line of a producer's log may be."""


NO_DIGEST = -1
"""Of a chunk whose content nobody wrote down, as in the folders of `chunk7 watch`: no receipt's."""


@dataclass(frozen=True)
class Chunks:
    """What was sent to the store, sorted by (session, seq); every array has the shape (chunks,).

    `row` is the row of `Run.published`. `due_ns` is when a client could first have it. `known`
    says that every command of its write ordering was answered, and none with an error.
    """

    row: Ints
    session: Ints
    seq: Ints
    digest: Ints
    due_ns: Instants
    known: Bits

    @cached_property
    def key(self) -> Ints:
        """Session and number in one integer, ascending."""
        return _key(self.session, self.seq)

    @cached_property
    def most_alike(self) -> int:
        """How many chunks have one key, at most: more than 1 where a counter was reset."""
        return int(np.unique(self.key, return_counts=True)[1].max(initial=0))

    @cached_property
    def due_from_ns(self) -> Instants:
        """The earliest due of each chunk and those after it in its session."""
        order = np.argsort(self.due_ns, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        # Backwards the sessions' numbers fall, so with each session begins a new minimum.
        least = np.minimum.accumulate(_key(self.session, place)[::-1])[::-1]
        earliest: Instants = self.due_ns[order[least & 0xFFFFFFFF]]
        return earliest


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who listened to what, and for how long; every array has the shape (connections,).

    Chunks due before `until_ns` are expected. One that is missing is lost if it was due, and the
    client there, before `certain_ns`; otherwise nobody can know. `ended` is false where the end is
    not on record; `judged` is false for clients that never got a connection.
    """

    session: Ints
    after_seq: Ints
    opening_ns: Instants
    until_ns: Instants
    certain_ns: Instants
    ended: Bits
    judged: Bits


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdicts on a run, or on some connections of it.

    accounts: a row a connection (index: row of `Run.connections`), columns ACCOUNTS and
        `last_seq`, the highest number received. They cross-foot:
        expected = delivered + lost + undetermined,
        receipts = delivered + duplicate + unexpected + unrecorded.
    missing: a row an expected chunk that never came: `connection` and `chunk` (rows of
        `Run.connections` and `Run.published`), `lost` (false: undetermined).
    latency_ms: by first row of a batch, of each live receipt since its publication was sent,
        connection by connection; `timed` of the accounts says how many are of each. Of a cell
        with more than chunk7.analysis.latencies.MOST of them, an even random part.

    `before_opened` counts receipts before the connection began to open, `before_published` live
    ones before their chunk was sent, beyond what the clocks may be off: there should be none.
    """

    accounts: pd.DataFrame
    missing: pd.DataFrame
    latency_ms: dict[int, NDArray[np.float32]]


def judge(run: Run) -> Judgement:
    """Judge every connection of a run."""
    codes = pd.Index(run.published["session_id"].unique())
    chunks = number_from_receipts(_chunks(run, codes), _listeners(run, codes), run.receipts())
    producer_died = _any_cut_short(run, "producer")
    sent_ns = run.instants(run.published, "publish_sent_ns")[chunks.row]
    listeners, off_ns = _listeners(run, codes), _clocks_off_ns(run)
    cells = run.connections["cell"].to_numpy(dtype=np.int64)
    latencies = {int(cell): Latencies() for cell in np.unique(cells)}
    parts = []
    for batch in run.receipts():
        part = judge_batch(chunks, sent_ns, listeners, batch, producer_died, off_ns)
        timed = part.accounts["timed"].to_numpy()
        of_cell = latencies[int(cells[batch.first_row])]
        of_cell.add(batch.first_row, part.latency_ms[batch.first_row], timed)
        parts.append((part.accounts, part.missing))
    if not parts:
        return _nothing()
    kept = {row: batch for of_cell in latencies.values() for row, batch in of_cell.kept.items()}
    accounts = pd.concat([part for part, _ in parts])
    accounts["timed"] = np.concatenate([kept[row][1] for row in sorted(kept)])
    missing = pd.concat([missing for _, missing in parts], ignore_index=True)
    latency_ms = {row: kept[row][0] for row in sorted(kept)}
    if _is_joined_target(run):
        certain_ns = listeners.certain_ns - _slowest_ns(cells, latency_ms)
        _leave_open(run, accounts, missing, certain_ns)
    return Judgement(accounts, missing, latency_ms)


def _is_joined_target(run: Run) -> bool:
    """Somebody else's back end, joined by our users; a recording's end is told apart by itself."""
    target = run.manifest.target
    return target is not None and target.reference != "recording"


def _slowest_ns(cells: Ints, latency_ms: dict[int, NDArray[np.float32]]) -> Instants:
    """The longest that a live chunk took in each connection's cell; shape (connections,)."""
    slowest: dict[int, float] = {}
    for first_row, values in latency_ms.items():
        cell = int(cells[first_row])
        slowest[cell] = max(slowest.get(cell, 0.0), float(values.max(initial=0.0)))
    return np.array([1e6 * slowest.get(int(cell), 0.0) for cell in cells])


def _leave_open(
    run: Run, accounts: pd.DataFrame, missing: pd.DataFrame, certain_ns: Instants
) -> None:
    """Of somebody else's back end nobody knows how slow it may be: what was due less than its
    slowest delivery before a client left may still have been on its way. Changes both tables."""
    publish, save = (run.instants(run.published, f"{name}_sent_ns") for name in ("publish", "save"))
    due_ns = np.where(np.isnan(publish), save, publish)[missing["chunk"].to_numpy(dtype=np.int64)]
    who = missing["connection"].to_numpy(dtype=np.int64)
    open_ = missing["lost"].to_numpy(dtype=bool) & (due_ns >= certain_ns[who])
    missing["lost"] = missing["lost"].to_numpy(dtype=bool) & ~open_
    moved = np.bincount(who[open_], minlength=len(run.connections))[accounts.index.to_numpy()]
    accounts["lost"] -= moved
    accounts["undetermined"] += moved


def judge_batch(
    chunks: Chunks,
    sent_ns: Instants,
    listeners: Listeners,
    receipts: Receipts,
    producer_died: bool = False,
    clocks_off_ns: float = 0.0,
) -> Judgement:
    """Judge the connections of one batch of receipts; `sent_ns`, shape (chunks,): publications.

    With `producer_died` a receipt of a number that nobody recorded is not held against anyone.
    `clocks_off_ns`: how far the clocks of producer and client may be apart.
    """
    these = _of_batch(listeners, receipts)
    came, chunk = _straight(chunks, these, receipts)
    tallies, missing = _of_straight(came, receipts), _Missing.none()
    others = np.flatnonzero(~came)
    if len(others):
        theirs = np.repeat(~came, np.diff(receipts.offsets))
        full = judge_in_full(
            chunks, _some(these, others), _those(receipts, others, theirs), producer_died
        )
        chunk[theirs] = full.chunk
        for name, values in full.tallies.items():
            tallies[name][others] = values
        missing = replace(full.missing, who=others[full.missing.who])
    timed_who, latency_ms = _latencies(chunk, sent_ns, these.opening_ns, receipts)
    count, early = len(came), latency_ms < -clocks_off_ns / 1e6
    tallies["timed"] = np.bincount(timed_who, minlength=count)
    tallies["before_published"] = np.bincount(timed_who[early], minlength=count)
    index = pd.RangeIndex(receipts.first_row, receipts.first_row + count)
    accounts = pd.DataFrame({name: tallies[name] for name in (*ACCOUNTS, "last_seq")}, index)
    rows = {
        "connection": missing.who + receipts.first_row,
        "chunk": chunks.row[missing.chunk],
        "lost": missing.lost,
    }
    return Judgement(accounts, pd.DataFrame(rows), {receipts.first_row: latency_ms})


def _straight(chunks: Chunks, these: Listeners, receipts: Receipts) -> tuple[Bits, Ints]:
    """Who came straight, and of which row of `chunks` each of their receipts is."""
    if chunks.most_alike > 1:
        return np.zeros(len(these.session), bool), np.full(len(receipts.seq), -1)
    low, end = _ranges(chunks, these)
    expected = Expected(
        low, end, these.opening_ns, these.until_ns, chunks.seq, chunks.digest, chunks.due_from_ns
    )
    return straight(expected, receipts.offsets, receipts.seq, receipts.digest, receipts.at_ns)


def _of_straight(came: Bits, receipts: Receipts) -> dict[str, Ints]:
    """The tallies of who came straight, as `judge_in_full` has them; of the others they mean
    nothing."""
    begin, end = receipts.offsets[:-1], receipts.offsets[1:]
    counts = end - begin
    tallies = {name: np.zeros(len(came), np.int64) for name in ACCOUNTS}
    tallies |= {name: counts.copy() for name in ("expected", "delivered", "receipts")}
    fetched = np.flatnonzero(receipts.via == Via.FETCH)
    tallies["fetched"] = np.diff(np.searchsorted(fetched, receipts.offsets))
    last = np.append(receipts.seq, 0)[end - 1]  # of none before the first: any, and not taken
    tallies["last_seq"] = np.where(counts > 0, last, 0)
    return tallies


@dataclass(frozen=True, slots=True)
class _Missing:
    """Pairs that never came: `who`, which row of `chunks`, and whether that is known for lost."""

    who: Ints
    chunk: Ints
    lost: Bits

    @classmethod
    def none(cls) -> "_Missing":
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))


@dataclass(frozen=True, slots=True)
class _InFull:
    """`tallies` by name, shape (connections,): those of ACCOUNTS that need no latency, and
    `last_seq`. `chunk`, shape (receipts,): rows of `chunks`, -1 for none that was sent."""

    tallies: dict[str, Ints]
    missing: _Missing
    chunk: Ints


def judge_in_full(
    chunks: Chunks, these: Listeners, receipts: Receipts, producer_died: bool
) -> _InFull:
    """Judge connections pair by pair, whatever they received."""
    pairs = _pairs(chunks, these)
    came = _arrivals(chunks, these, pairs, receipts)
    delivered = np.zeros(len(pairs.who), bool)
    delivered[came.pair[came.is_first]] = True

    due_ns = chunks.due_ns[pairs.chunk]
    missing = ~delivered & (due_ns < these.until_ns[pairs.who])
    sure = np.maximum(due_ns, these.opening_ns[pairs.who]) < these.certain_ns[pairs.who]
    lost = missing & sure & chunks.known[pairs.chunk]
    foreign = came.chunk < 0
    unrecorded = np.zeros_like(foreign)
    if producer_died:
        unrecorded = foreign & ~_numbered(chunks, these.session[came.who], receipts.seq)
    first_who, first_seq = came.who[came.is_first], receipts.seq[came.is_first]
    who_of = {
        "expected": pairs.who[delivered | missing],
        "delivered": first_who,
        "lost": pairs.who[lost],
        "undetermined": pairs.who[missing & ~lost],
        "duplicate": came.who[~foreign & ~came.is_first],
        "out_of_order": first_who[_overtaken(first_who, first_seq)],
        "rewinds": _rewound(came.who[~foreign], receipts.seq[~foreign]),
        "unexpected": came.who[foreign & ~unrecorded],
        "unrecorded": came.who[unrecorded],
        "fetched": came.who[came.is_first & (receipts.via == Via.FETCH)],
        "receipts": came.who,
        "before_opened": came.who[receipts.at_ns < these.opening_ns[came.who]],
    }
    count = len(these.session)
    tallies = {name: np.bincount(who, minlength=count) for name, who in who_of.items()}
    tallies["last_seq"] = _highest(came.who[~foreign], receipts.seq[~foreign], count)
    pairs_missing = _Missing(pairs.who[missing], pairs.chunk[missing], lost[missing])
    return _InFull(tallies, pairs_missing, came.chunk)


@dataclass(frozen=True, slots=True)
class Placed:
    """Receipts of `count` connections, `first_row`.. of `Run.connections`, and which chunks they
    are; arrays of the shape (receipts,). `who` counts from `first_row`; `chunk` is a row of
    `Run.published`, -1 for none; `is_first` where it was expected and had not come before."""

    first_row: int
    count: int
    who: Ints
    chunk: Ints
    is_first: Bits
    via: NDArray[np.uint8]
    at_ns: Instants


def placed_receipts(run: Run) -> Iterator[Placed]:
    """All receipts of a run, batch by batch, by the rules of `judge`."""
    codes = pd.Index(run.published["session_id"].unique())
    listeners = _listeners(run, codes)
    chunks = number_from_receipts(_chunks(run, codes), listeners, run.receipts())
    for batch in run.receipts():
        these = _of_batch(listeners, batch)
        came = _arrivals(chunks, these, _pairs(chunks, these), batch)
        row = np.append(chunks.row, -1)[came.chunk]  # the last stands for none
        first, count = batch.first_row, len(these.session)
        yield Placed(first, count, came.who, row, came.is_first, batch.via, batch.at_ns)


def number_from_receipts(
    chunks: Chunks, listeners: Listeners, batches: Iterable[Receipts]
) -> Chunks:
    """Give chunks without a number the one they were received under; drop those never received.

    The producer does not learn the number when the reply to its Lua script is lost; the store
    may have executed it all the same. Content names the chunk (chunk7.delivery.chunk.digest).
    """
    nameless = chunks.seq == 0
    if not nameless.any():
        return chunks
    wanted = pd.Index(_key(chunks.session, chunks.digest)[nameless])
    seq = chunks.seq.copy()
    for batch in batches:
        who = np.repeat(np.arange(len(batch.offsets) - 1), np.diff(batch.offsets))
        session = listeners.session[batch.first_row + who]
        found = wanted.get_indexer(pd.Index(_key(session, batch.digest)))
        seq[np.flatnonzero(nameless)[found[found >= 0]]] = batch.seq[found >= 0]
    return _sorted(replace(chunks, seq=seq), keep=seq > 0)


# --- who listened, what was sent -----------------------------------------------------------


def _chunks(run: Run, sessions: pd.Index) -> Chunks:
    frame = run.published
    publish, save = (run.instants(frame, f"{name}_sent_ns") for name in ("publish", "save"))
    due_ns = np.where(np.isnan(publish), save, publish)
    chunks = Chunks(
        row=np.arange(len(frame)),
        session=sessions.get_indexer(frame["session_id"]).astype(np.int64),
        seq=frame["seq"].to_numpy(dtype=np.int64, na_value=0),
        digest=frame["digest"].to_numpy(dtype=np.int64, na_value=NO_DIGEST),
        due_ns=due_ns,
        known=has_known_outcome(frame),
    )
    return _sorted(chunks, keep=~np.isnan(due_ns))


def has_known_outcome(published: pd.DataFrame) -> Bits:
    """Whose commands were all answered, and none with an error; shape (chunks,)."""
    known = published["error"].isna()
    for name in ("publish", "save"):
        known &= published[f"{name}_sent_ns"].isna() == published[f"{name}_done_ns"].isna()
    answered: Bits = known.to_numpy(dtype=bool)
    return answered


def _sorted(chunks: Chunks, keep: Bits) -> Chunks:
    order = np.lexsort((chunks.row, chunks.seq, chunks.session))
    order = order[keep[order]]
    return Chunks(*(getattr(chunks, name)[order] for name in Chunks.__dataclass_fields__))


def _listeners(run: Run, sessions: pd.Index) -> Listeners:
    frame = run.connections
    settle_ns = run.manifest.settle_ms * 1e6
    leave, closed = run.instants(frame, "leave_ns"), run.instants(frame, "closed_ns")
    connected = run.instants(frame, "connected_ns")
    by_server = frame["by_server"].to_numpy(dtype=bool, na_value=False)
    ended = ~np.isnan(closed)
    until_ns = np.where(by_server | ~ended, leave, np.fmin(leave, closed))
    known_until = pd.Series(run.instants(run.processes, "known_until_ns"), run.processes["process"])
    recorded_ns = known_until.reindex(frame["process"]).to_numpy()
    certain_ns = np.where(ended, until_ns, np.fmin(until_ns, recorded_ns)) - settle_ns
    certain_ns[~ended & np.isnan(recorded_ns)] = -np.inf
    if _is_joined_target(run):
        certain_ns[by_server] = np.inf  # it was told that this is all: nothing is on its way
    return Listeners(
        session=sessions.get_indexer(frame["session_id"]).astype(np.int64),
        after_seq=frame["after_seq"].to_numpy(dtype=np.int64, na_value=0),
        opening_ns=run.instants(frame, "opening_ns"),
        until_ns=until_ns,
        certain_ns=certain_ns,
        ended=ended,
        judged=~ended | ~np.isnan(connected),
    )


def _of_batch(listeners: Listeners, receipts: Receipts) -> Listeners:
    """The listeners of a batch.

    Nothing is expected of who never got a connection. One whose end is not recorded and that
    received nothing may never have got one either.
    """
    rows = slice(receipts.first_row, receipts.first_row + len(receipts.offsets) - 1)
    these = _some(listeners, rows)
    doubtful = ~these.ended & (np.diff(receipts.offsets) == 0)
    return replace(
        these,
        until_ns=np.where(these.judged, these.until_ns, -np.inf),
        certain_ns=np.where(doubtful, -np.inf, these.certain_ns),
    )


def _some(listeners: Listeners, rows: slice | Ints) -> Listeners:
    fields = Listeners.__dataclass_fields__
    return Listeners(**{name: getattr(listeners, name)[rows] for name in fields})


def _those(receipts: Receipts, clients: Ints, theirs: Bits) -> Receipts:
    """The receipts of some clients of a batch only, `theirs`; its clients are numbered anew."""
    counts = np.diff(receipts.offsets)[clients]
    return Receipts(
        first_row=0,
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        seq=receipts.seq[theirs],
        digest=receipts.digest[theirs],
        via=receipts.via[theirs],
        at_ns=receipts.at_ns[theirs],
    )


def _clocks_off_ns(run: Run) -> float:
    """How far two hosts' clocks may be apart once aligned; 0 for one host.

    Somebody's log says when a line was written, which may be a little after its chunk was sent.
    """
    target = run.manifest.target
    if target is not None and target.reference == "log":
        return LOG_LATE_NS
    several = run.processes.loc[run.processes["boot_id"] != "", "boot_id"].nunique() > 1
    uncertain_ns = run.clocks["uncertainty_ns"].to_numpy(dtype=float).max(initial=0)
    return 2.0 * uncertain_ns if several else 0.0


def _any_cut_short(run: Run, part: str) -> bool:
    processes = run.processes
    return bool(((processes["part"] == part) & ~processes["complete"].astype(bool)).any())


# --- pairs and arrivals --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pairs:
    """`who` and `chunk` of each pair; `low` and `base`, the first chunk and pair of each client."""

    who: Ints
    chunk: Ints
    low: Ints
    base: Ints


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """Per receipt: `who` received which `chunk` (-1: none that was sent) and so of which `pair`.

    `pair` is -1 too for a chunk that the client said it had (`after_seq`).
    """

    who: Ints
    chunk: Ints
    pair: Ints
    is_first: Bits


def _ranges(chunks: Chunks, these: Listeners) -> tuple[Ints, Ints]:
    """The first chunk of each client's range, and the first one behind it."""
    low = np.searchsorted(chunks.key, _key(these.session, these.after_seq + 1))
    end = np.searchsorted(chunks.key, _key(these.session + 1, np.zeros_like(these.session)))
    return low, end


def _pairs(chunks: Chunks, these: Listeners) -> _Pairs:
    low, end = _ranges(chunks, these)
    sizes = np.maximum(end - low, 0)
    base = np.cumsum(sizes) - sizes
    who = np.repeat(np.arange(len(sizes)), sizes)
    return _Pairs(who, np.arange(len(who)) + (low - base)[who], low, base)


def _arrivals(chunks: Chunks, these: Listeners, pairs: _Pairs, receipts: Receipts) -> _Arrivals:
    who = np.repeat(np.arange(len(these.session)), np.diff(receipts.offsets))
    chunk = _match(chunks, these.session[who], receipts)
    wanted = (chunk >= 0) & (chunk >= pairs.low[who])
    pair = np.where(wanted, chunk + (pairs.base - pairs.low)[who], -1)
    # Assigned backwards: of several writes to one pair the last one, the first receipt, stays.
    first = np.full(len(pairs.who), -1)
    backwards = np.flatnonzero(wanted)[::-1]
    first[pair[backwards]] = backwards
    is_first = np.zeros(len(who), bool)
    is_first[first[first >= 0]] = True
    return _Arrivals(who, chunk, pair, is_first)


def _latencies(
    chunk: Ints, sent_ns: Instants, opening_ns: Instants, receipts: Receipts
) -> tuple[Ints, NDArray[np.float32]]:
    """Who received something live, and how long after its publication was sent.

    Some back ends send what there was before in the same frames as what comes live. What was sent
    before the client opened its connection is none of the latter; an unknown instant is no latency.
    """
    live = np.flatnonzero((receipts.via == Via.LIVE) & (chunk >= 0))
    counts = np.diff(np.searchsorted(live, receipts.offsets))
    sent = sent_ns[chunk[live]]
    latency_ms: Instants = receipts.at_ns[live]
    latency_ms -= sent
    latency_ms /= 1e6
    who = np.repeat(np.arange(len(counts)), counts)
    later = sent >= np.repeat(opening_ns, counts)
    if later.all():
        return who, latency_ms.astype(np.float32)
    return who[later], latency_ms[later].astype(np.float32)


# --- arithmetic ----------------------------------------------------------------------------


def _key(high: Ints, low: Ints) -> Ints:
    """Two numbers of 32 bits in one integer, ordered by `high`, then `low`."""
    return (high << 32) | low


def _match(chunks: Chunks, session: Ints, receipts: Receipts) -> Ints:
    """The chunk of each receipt: same session, number and content; -1 if there is none.

    A number used twice in a session (a counter that was reset) is tried for each of its chunks.
    """
    key = _key(session, receipts.seq)
    keys = chunks.key
    low = np.searchsorted(keys, key)
    found = np.full(len(key), -1)
    for step in range(chunks.most_alike):
        at = np.minimum(low + step, len(keys) - 1)
        same = (keys[at] == key) & (chunks.digest[at] == receipts.digest) & (found < 0)
        found[same] = at[same]
    return found


def _numbered(chunks: Chunks, session: Ints, seq: Ints) -> Bits:
    """Whether a chunk with this number was recorded at all."""
    return np.isin(_key(session, seq), chunks.key)


def _overtaken(who: Ints, seq: Ints) -> Bits:
    """Which of these first receipts came after one with a higher number, by connection."""
    key = _key(who, seq)
    return key < np.maximum.accumulate(key)


def _rewound(who: Ints, seq: Ints) -> Ints:
    """Who received a lower number than just before, once for each time; receipts in their order."""
    again: Ints = who[1:][(who[1:] == who[:-1]) & (seq[1:] < seq[:-1])]
    return again


def _highest(who: Ints, seq: Ints, count: int) -> Ints:
    highest = np.zeros(count, np.int64)
    np.maximum.at(highest, who, seq)
    return highest


def _nothing() -> Judgement:
    accounts: Any = pd.DataFrame({name: [] for name in (*ACCOUNTS, "last_seq")}, dtype=np.int64)
    missing = pd.DataFrame({"connection": [], "chunk": []}, dtype=np.int64)
    return Judgement(accounts, missing.assign(lost=np.zeros(0, bool)), {})
