"""Virtual time: the ordering files themselves, run against a seeded cluster.

What is an event: every step of every join, in the order of virtual time among the clients that
watch one answer (others do not meet). Each goes to the connect ordering's own generator, which is
sent what the store would answer at that instant.

What is not an event: a chunk. Publications and saves are instants of the session, known before
anybody joins (`chunks.py`), so what the store holds at an instant is a binary search, and
what a client receives from the subscription on is a range of chunks, cut where something else was
written to it. That is exact, and a test drives the same schedule through `MemoryStore`, chunk by
chunk, to prove it.

What is modelled: two one-way latencies a command, node work at a Pause, the shared subscription of
a node (the first client of a channel waits for the store, the next only for its confirmation),
delivery delays, buffers and their release, gap-filling clients, and the faults of
`fault_schedule.py`. A client whose node died resumes after its last gapless chunk, through
another node; all nodes hear of a chunk at the same moment, so none is behind what such a client
has. What is not: the client's own network (its order is TCP's, so verdicts do not depend on it),
queues and their overflow, CPU contention between joins, histories of earlier answers, trimming, and
a gap-filling client's fetch of a chunk that is merely still under way.
"""

import heapq
import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import CLIENTS
from chunk7.delivery.cursor import EntryId, cursor_of, entry_id
from chunk7.delivery.effects import (
    NEWEST,
    Confirmed,
    Cursor,
    Follow,
    Pause,
    ReadHead,
    ReadHistory,
    ReadStream,
    Release,
    SendHistory,
    SendWelcome,
    StreamRead,
    Subscribe,
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.fetch import fetch_missing
from chunk7.delivery.gaps import GapTracker
from chunk7.delivery.handover import STRAIGHT, Handover, attach, release
from chunk7.delivery.ordering import ConnectOrdering, Join
from chunk7.delivery.stepping import Steps
from chunk7.delivery.verdicts import Cause
from chunk7.simulator.virtual.chunks import Timeline, id_at
from chunk7.simulator.virtual.fault_schedule import FaultSchedule, draw_schedule
from chunk7.simulator.virtual.population import MAX_BEATS, SLOTS, Block, Draws, blocks
from chunk7.simulator.virtual.receipts import Range, contiguous, judge, subtract
from chunk7.simulator.virtual.results import Outcome
from chunk7.simulator.virtual.settings import Settings

MAX_LIVES = 100
"""A client rejoins at most this often."""


def outcomes(
    settings: Settings,
    connect: ConnectOrdering,
    timelines: list[Timeline],
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Outcome]:
    """What happens to every block, computed join by join. `tick` is called for every answer.

    Raises OrderingError when the ordering breaks the protocol.
    """
    sessions = [_Session(number, timeline) for number, timeline in enumerate(timelines)]
    schedule = draw_schedule(settings) if settings.faults else None
    for block in blocks(settings):
        yield _Run(settings, connect, sessions, schedule, block).outcome(tick)


class _Session:
    """A timeline as lists: bisect on a list is several times quicker than on an array."""

    __slots__ = (
        "arrive_ms",
        "chunks",
        "ids",
        "last_ms",
        "number_ms",
        "publish_ms",
        "published",
        "regular",
        "save_ms",
        "saved",
        "session_id",
    )

    def __init__(self, number: int, timeline: Timeline) -> None:
        self.session_id = f"s{number}"
        self.chunks = timeline.chunks
        self.number_ms: list[float] = timeline.number_ms.tolist()
        self.publish_ms: list[float] = timeline.publish_ms.tolist()
        self.save_ms: list[float] = timeline.save_ms.tolist()
        self.arrive_ms: list[float] = timeline.arrive_ms.tolist()
        self.last_ms = max([0.0, *self.arrive_ms[-1:], *self.save_ms[-1:]])
        self.published = timeline.published
        self.saved = timeline.saved
        self.ids: list[EntryId] = list(accumulate(self.save_ms, id_at, initial=(0, 0)))[1:]
        self.regular = timeline.regular

    def history(self, at_ms: float, after_seq: int, to_seq: int | None) -> tuple[Chunk, ...]:
        """LRANGE at an instant: `MemoryStore.history` of what is saved by then."""
        saved = self.saved[: bisect_right(self.save_ms, at_ms)]
        if not self.regular:
            return tuple(
                chunk
                for chunk in saved
                if after_seq < chunk.seq and (to_seq is None or chunk.seq <= to_seq)
            )
        return saved[max(0, after_seq) : None if to_seq is None else max(0, to_seq)]

    def stream(self, at_ms: float, after: str) -> StreamRead:
        """XRANGE at an instant: `MemoryStore.stream` of what is appended by then."""
        last = bisect_right(self.save_ms, at_ms)
        position = self.position(at_ms, after)
        if position >= last:
            newest = self.ids[last - 1] if last else (0, 0)
            return StreamRead((), cursor_of(newest) if after == NEWEST else after)
        return StreamRead(self.saved[position:last], cursor_of(self.ids[last - 1]))

    def position(self, at_ms: float, after: Cursor) -> int:
        """How many entries are not after the cursor, which is executed at that instant."""
        if after == NEWEST:
            return bisect_right(self.save_ms, at_ms)
        return bisect_right(self.ids, entry_id(after))

    def ranges(self, chunks: Sequence[Chunk]) -> list[Range]:
        """The indices of these chunks, in their order."""
        if not chunks:
            return []
        begin, end = chunks[0].index, chunks[-1].index + 1
        if self.regular and end - begin == len(chunks):
            return [(begin, end)]
        return contiguous(chunk.index for chunk in chunks)

    def live(self, begin: int, end: int) -> list[Range]:
        """The indices of the publications begin..end."""
        if self.regular:
            return [(begin, end)] if begin < end else []
        return contiguous(chunk.index for chunk in self.published[begin:end])


Channel = tuple[float, float]
"""A node's subscription to a session: executed, and confirmed to the node."""


class _Life:
    """A client on one node, from its join to the end of the answer or of the node."""

    __slots__ = (
        "after_seq",
        "attached_ms",
        "attached_write",
        "channel",
        "client",
        "end_ms",
        "follow_from",
        "handover",
        "head",
        "join_ms",
        "node",
        "read_ms",
        "steps",
        "welcome_ms",
        "writes",
    )

    def __init__(
        self, client: "_Client", node: int, join_ms: float, after_seq: int, steps: Steps
    ) -> None:
        self.client = client
        self.node = node
        self.after_seq = after_seq
        self.join_ms = join_ms
        self.steps = steps
        self.end_ms = math.inf
        self.attached_ms: float | None = None
        self.attached_write = 0
        """How many of `writes` came before attaching, which may be at the same instant."""
        self.channel: Channel | None = None
        self.handover: Handover | None = None
        """As it was at the attaching: what comes of it is a matter of what arrives."""
        self.follow_from: int | None = None
        self.read_ms: float | None = None
        self.welcome_ms: float | None = None
        self.head: int | None = None
        self.writes: list[tuple[float, Any]] = []
        """Frames apart from live chunks: (instant, history chunks | ranges | Release)."""

    def history_ms(self) -> float | None:
        """When its first history frame came: before it a client asks for nothing."""
        return next((at for at, content in self.writes if isinstance(content, tuple)), None)


class _Client:
    """One connection of the results: a place in the block, and its lives."""

    __slots__ = ("latencies", "lives", "pauses", "place")

    def __init__(self, place: int) -> None:
        self.place = place
        self.latencies = 0
        self.pauses = 0
        self.lives: list[_Life] = []


Answer = tuple[float, Any]
"""When an effect is over, and what the ordering is told."""


class _Run:
    """One block of connections, group by group."""

    def __init__(
        self,
        settings: Settings,
        connect: ConnectOrdering,
        sessions: list[_Session],
        schedule: FaultSchedule | None,
        block: Block,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._fills = CLIENTS[connect.client].asks
        self._sessions = sessions
        self._schedule = schedule
        self._block = block
        self._draws = Draws(settings, block)
        self._latencies: list[list[float]] = []
        self._works: list[list[float]] = []
        self._delay_ms = settings.delivery.mean_ms
        self._causes: Counter[str] = Counter()
        self._rows: list[tuple[int, int, int, int, int, float, float]] = [
            (0, 0, 0, 0, 0, math.nan, math.nan)
        ] * block.count
        self._perform: dict[type[Any], Callable[[_Life, Any, float], Answer]] = {
            Pause: self._pause,
            Subscribe: self._subscribe,
            Confirmed: self._confirmed,
            ReadHistory: self._read_history,
            ReadHead: self._read_head,
            ReadStream: self._read_stream,
            SendHistory: self._send_history,
            SendWelcome: self._send_welcome,
            Release: self._release,
            Follow: self._follow,
        }
        # The group under way.
        self._session = sessions[0]
        self._epoch_ms = 0.0
        self._channels: dict[tuple[int, int], Channel] = {}

    def outcome(self, tick: Callable[[], None]) -> Outcome:
        """Run every group of the block."""
        block, settings = self._block, self._settings
        joins, nodes = block.join_ms.tolist(), block.node.tolist()
        borders = np.flatnonzero(np.diff(block.group)) + 1
        edges = [0, *borders.tolist(), block.count]
        groups = block.group[edges[:-1]].tolist()
        for group, begin, end in zip(groups, edges, edges[1:], strict=False):
            self._session = self._sessions[group % settings.sessions]
            self._epoch_ms = group // settings.sessions * settings.wave_ms
            self._channels = {}
            clients = [_Client(place) for place in range(begin, end)]
            self._run(
                [
                    self._enter(client, nodes[client.place], joins[client.place], 0)
                    for client in clients
                ]
            )
            for client in clients:
                self._settle(client)
            tick()
        lost, duplicate, late, rewinds, fetched, window, join = zip(*self._rows, strict=True)
        return Outcome(
            block.session,
            np.array(lost),
            np.array(duplicate),
            np.array(late),
            np.array(rewinds),
            np.array(fetched),
            np.array(window),
            np.array(join),
            dict(self._causes),
        )

    # --- joins, in the order of virtual time ---

    def _run(self, lives: list[_Life]) -> None:
        """Advance whoever is earliest, until all joins are over. Waves are the clock's zero."""
        queue = [(life.join_ms, place, life) for place, life in enumerate(lives)]
        heapq.heapify(queue)
        entered = len(lives)
        perform = self._perform
        while queue:
            now, place, life = heapq.heappop(queue)
            limit = queue[0][0] if queue else math.inf
            steps = life.steps
            while steps.effect is not None and now <= limit:
                action = perform.get(type(steps.effect))
                if action is None:
                    name = type(steps.effect).__name__
                    raise OrderingError(f"a connect ordering cannot ask for {name}")
                now, answer = action(life, steps.effect, now)
                if now >= life.end_ms:
                    break
                steps.advance(answer)
            if steps.effect is not None and now < life.end_ms:
                heapq.heappush(queue, (now, place, life))
            elif life.end_ms < math.inf:
                rejoined = self._rejoin(life)
                if rejoined is not None:
                    heapq.heappush(queue, (rejoined.join_ms, entered, rejoined))
                    entered += 1

    def _enter(self, client: _Client, node: int, join_ms: float, after_seq: int) -> _Life:
        """A client joins, or rejoins, through the proxy."""
        schedule = self._schedule
        if schedule is not None:
            node, at_ms = schedule.home(node, join_ms + self._epoch_ms)
            join_ms = at_ms - self._epoch_ms
        steps = Steps(self._connect.steps(Join(self._session.session_id, after_seq)))
        life = _Life(client, node, join_ms, after_seq, steps)
        if schedule is not None:
            crash_ms = schedule.crashes[node].next_start(at_ms) - self._epoch_ms
            if crash_ms < self._session.last_ms:  # later the answer is complete, and clients gone
                life.end_ms = crash_ms
        client.lives.append(life)
        return life

    def _rejoin(self, life: _Life) -> _Life | None:
        """The client's next life, if it misses anything when its node dies."""
        client = life.client
        ranges = self._received(client)
        *_, missing = judge(ranges, self._session.chunks)
        if not missing or len(client.lives) >= MAX_LIVES:
            return None
        join_ms = life.end_ms + self._settings.rejoin_ms
        after_seq = missing[0][0] if self._session.regular else self._resume_after(ranges)
        return self._enter(client, life.node + 1, join_ms, after_seq)

    def _resume_after(self, received: list[Range]) -> int:
        """The number up to which a client has everything, where numbers are not places."""
        session, tracker = self._session, GapTracker()
        seqs = {chunk.index: chunk.seq for chunk in (*session.saved, *session.published)}
        for index in (index for begin, end in received for index in range(begin, end)):
            tracker.receive(seqs[index])
        return tracker.resume_after

    # --- effects ---

    def _latency(self, client: _Client) -> float:
        number = client.latencies % SLOTS
        client.latencies += 1
        while len(self._latencies) <= number:
            self._latencies.append(self._draws.latency(len(self._latencies)).tolist())
        return self._latencies[number][client.place]

    def _pause(self, life: _Life, _: Pause, now: float) -> Answer:
        number = life.client.pauses % SLOTS
        life.client.pauses += 1
        while len(self._works) <= number:
            self._works.append(self._draws.work(len(self._works)).tolist())
        return now + self._works[number][life.client.place], None

    def _subscribe(self, life: _Life, effect: Subscribe, now: float) -> Answer:
        sent = self._latency(life.client)
        answered = self._latency(life.client)
        self._attach(life, now)
        life.handover = attach(life.handover, effect.to, life.after_seq)
        key = self._channel_key(life, now)
        channel = self._channels.get(key)
        if channel is None:
            executed = self._reconnected(life.node, now) + sent
            channel = self._channels[key] = (executed, executed + answered)
        life.channel = channel
        return now, None

    def _attach(self, life: _Life, now: float) -> None:
        """Live chunks come from now on: by one feed, which is what a client has here."""
        if life.attached_ms is not None:
            raise OrderingError(f"{self._connect.name} takes live chunks from two places")
        life.attached_ms, life.attached_write = now, len(life.writes)

    def _channel_key(self, life: _Life, now: float) -> tuple[int, int]:
        """The node, and which of its lives: a restarted node has no subscriptions."""
        if self._schedule is None:
            return life.node, 0
        starts = self._schedule.crashes[life.node].start_ms
        return life.node, bisect_right(starts, now + self._epoch_ms)

    def _reconnected(self, node: int, now: float) -> float:
        """`now`, or when the node has its Pub/Sub connection again."""
        if self._schedule is None:
            return now
        back_ms = self._schedule.reconnects[node].end_of_spell(now + self._epoch_ms)
        return now if back_ms is None else back_ms - self._epoch_ms

    def _confirmed(self, life: _Life, _: Confirmed, now: float) -> Answer:
        if life.channel is None:
            raise OrderingError(
                f"{self._connect.name} waits for the confirmation of a subscription it never sent"
            )
        return max(now, life.channel[1]), None

    def _command(self, life: _Life, now: float) -> tuple[float, float]:
        """(executed, replied)."""
        executed = now + self._latency(life.client)
        return executed, executed + self._latency(life.client)

    def _read_history(self, life: _Life, effect: ReadHistory, now: float) -> Answer:
        executed, replied = self._command(life, now)
        if life.read_ms is None:
            life.read_ms = executed
        return replied, self._session.history(executed, effect.after_seq, effect.to_seq)

    def _read_stream(self, life: _Life, effect: ReadStream, now: float) -> Answer:
        executed, replied = self._command(life, now)
        if life.read_ms is None:
            life.read_ms = executed
        return replied, self._session.stream(executed, effect.after)

    def _read_head(self, life: _Life, _: ReadHead, now: float) -> Answer:
        executed, replied = self._command(life, now)
        return replied, bisect_right(self._session.number_ms, executed)

    def _send_history(self, life: _Life, effect: SendHistory, now: float) -> Answer:
        life.writes.append((now, effect.chunks))
        return now, None

    def _send_welcome(self, life: _Life, effect: SendWelcome, now: float) -> Answer:
        life.welcome_ms = now
        life.head = effect.head_seq
        return now, None

    def _release(self, life: _Life, effect: Release, now: float) -> Answer:
        life.writes.append((now, effect))
        return now, None

    def _follow(self, life: _Life, effect: Follow, now: float) -> Answer:
        executed, _ = self._command(life, now)
        self._attach(life, now)
        life.follow_from = self._session.position(executed, effect.after)
        if effect.after == NEWEST:
            life.channel = (executed, executed)
        return now, None

    # --- what came of it ---

    def _settle(self, client: _Client) -> None:
        """Judge a client's receipts, and note its row."""
        session = self._session
        duplicate, late, rewinds, missing = judge(self._received(client), session.chunks)
        fetched = self._fill(client, missing) if missing and self._fills else 0
        if fetched:
            duplicate, late, rewinds, missing = judge(self._received(client), session.chunks)
        for begin, end in missing:
            self._blame(client, begin, end)
        lost = sum(end - begin for begin, end in missing)
        window = self._window(client.lives[0])
        welcome_ms = client.lives[-1].welcome_ms
        took = (
            math.nan
            if welcome_ms is None
            else welcome_ms - float(self._block.join_ms[client.place])
        )
        self._rows[client.place] = (lost, duplicate, late, rewinds, fetched, window, took)

    def _received(self, client: _Client) -> list[Range]:
        """Everything written to the client, over its lives, in order."""
        if len(client.lives) == 1:
            return self._receipts(client.lives[0])
        return [span for life in client.lives for span in self._receipts(life)]

    def _receipts(self, life: _Life) -> list[Range]:
        """Everything written to the client in one life, in order."""
        session = self._session
        arrive = session.arrive_ms
        end = len(arrive) if life.end_ms == math.inf else bisect_left(arrive, life.end_ms)
        live = self._live(life, end)
        received: list[Range] = []
        handover = life.handover or STRAIGHT
        cursor = 0
        for written, (at_ms, content) in enumerate(life.writes):
            cut = cursor
            if life.attached_ms is not None and written >= life.attached_write:
                cut = min(end, max(cursor, bisect_left(arrive, at_ms)))
            if isinstance(content, Release):
                held, live = self._released(handover, live, cursor, cut, content.known)
                received += held
                handover = STRAIGHT
            else:
                if handover is STRAIGHT:
                    received += self._between(live, cursor, cut)
                received += content if isinstance(content, list) else session.ranges(content)
            if handover is STRAIGHT:
                cursor = cut
        if handover is STRAIGHT:
            received += self._between(live, cursor, end)
        return received

    def _between(self, live: list[Range], first: int, last: int) -> list[Range]:
        """The chunks of the live publications first..last, in their order."""
        received: list[Range] = []
        for begin, stop in live:
            received += self._session.live(max(begin, first), min(stop, last))
        return received

    def _released(
        self, handover: Handover, live: list[Range], cursor: int, cut: int, known: frozenset[int]
    ) -> tuple[list[Range], list[Range]]:
        """(what a buffer gives at its release, `live` without what is left out afterwards).

        From `cursor` to `cut` publications are held. Here, and only here, they are taken one by
        one, until nothing can be left out any more.
        """
        published = self._session.published
        for position in _publications(live, cursor, cut):
            handover, _ = handover.take(published[position].seq, published[position])
        handover, held = release(handover, known)
        left_out = []
        for position in _publications(live, cut, len(published)):
            if handover is STRAIGHT:
                break
            handover, sent = handover.take(published[position].seq, position)
            if not sent:
                left_out.append(position)
        return self._session.ranges(held), subtract(live, contiguous(left_out))

    def _live(self, life: _Life, end: int) -> list[Range]:
        """Which publications reach the node for this client, as positions."""
        if life.follow_from is not None:
            return [(life.follow_from, end)] if life.follow_from < end else []
        if life.channel is None or life.attached_ms is None:
            return []
        session = self._session
        executed = life.channel[0]
        begin = bisect_left(session.publish_ms, executed)
        attached = bisect_left(session.arrive_ms, life.attached_ms)
        live = [(max(begin, attached), end)] if max(begin, attached) < end else []
        return subtract(live, self._outages(life.node, executed)) if self._schedule else live

    def _outages(self, node: int, executed: float) -> list[Range]:
        """Publications that were under way, or came, while the node had no connection."""
        session, epoch = self._session, self._epoch_ms
        if self._schedule is None or not session.arrive_ms:
            return []
        spells = self._schedule.reconnects[node].starting(
            executed + epoch, session.arrive_ms[-1] + epoch + 1
        )
        return [
            (
                bisect_left(session.arrive_ms, start - epoch),
                bisect_left(session.publish_ms, stop - epoch),
            )
            for start, stop in spells
        ]

    def _fill(self, client: _Client, missing: list[Range]) -> int:
        """Fetch what is missing as soon as the client can know; how many chunks that brings."""
        life = client.lives[-1]
        if life.welcome_ms is None or life.history_ms() is None:
            return 0
        fetched = [fetch for begin, end in missing for fetch in self._fetches(life, begin, end)]
        life.writes = sorted([*life.writes, *fetched], key=lambda write: write[0])
        return sum(end - begin for _, ranges in fetched for begin, end in ranges)

    def _fetches(self, life: _Life, begin: int, end: int) -> list[tuple[float, list[Range]]]:
        """The answers to the fetches for one hole: (instant, chunks).

        One fetch when the hole is noticed, and one after each heartbeat while it lasts.
        """
        session, beat_ms = self._session, self._settings.heartbeat_ms
        assert life.welcome_ms is not None
        numbered = session.number_ms[begin] if begin < len(session.number_ms) else math.inf
        beat = (
            max(1, math.ceil((numbered - life.welcome_ms) / beat_ms)) if numbered < math.inf else 1
        )
        at_ms = life.welcome_ms + beat * beat_ms
        if end < len(session.arrive_ms):
            at_ms = min(at_ms, max(session.arrive_ms[end], life.attached_ms or 0.0))
        if life.head is not None and life.head > begin:
            at_ms = min(at_ms, life.welcome_ms)
        at_ms = max(at_ms, life.history_ms() or 0.0)
        answers: list[tuple[float, list[Range]]] = []
        for _ in range(MAX_BEATS):
            executed, replied = self._command(life, at_ms)
            if replied >= life.end_ms:
                break
            found = self._fetched(executed, begin, end)
            if found:
                answers.append((replied, session.ranges(found)))
                begin += len(found)
            if begin >= end or executed > (session.save_ms[-1] if session.save_ms else 0.0):
                break
            beats = math.floor((replied - life.welcome_ms) / beat_ms) + 1
            at_ms = life.welcome_ms + beats * beat_ms
        return answers

    def _fetched(self, executed: float, begin: int, end: int) -> Sequence[Chunk]:
        """What a fetch of the chunks begin..end, by index, is answered when it is executed."""
        steps = Steps(fetch_missing(self._connect.feed, begin + 1, end))
        read = steps.effect
        if isinstance(read, ReadStream):
            steps.advance(self._session.stream(executed, read.after))
        else:
            steps.advance(self._session.history(executed, read.after_seq, read.to_seq))
        chunks: Sequence[Chunk] = steps.effect.chunks
        return chunks

    def _blame(self, client: _Client, begin: int, end: int) -> None:
        """Count causes for lost chunks begin..end."""
        session, life = self._session, client.lives[-1]
        for index in range(begin, end):
            self._causes[self._cause(session, life, index)] += 1

    def _cause(self, session: _Session, life: _Life, index: int) -> Cause:
        if not session.regular or life.read_ms is None or life.attached_ms is None:
            return Cause.UNKNOWN if life.end_ms == math.inf else Cause.NODE_GONE
        published, saved = session.publish_ms[index], session.save_ms[index]
        subscribed = life.channel[0] if life.channel else math.inf
        if session.arrive_ms[index] >= life.end_ms:
            return Cause.NODE_GONE
        if published >= subscribed and session.arrive_ms[index] >= life.attached_ms:
            return Cause.STORE_RECONNECT if self._schedule else Cause.UNKNOWN
        if saved <= life.read_ms:
            return Cause.UNKNOWN
        if published <= life.read_ms:
            return Cause.SAVE_LAG
        if life.attached_ms <= life.read_ms:
            return Cause.UNCONFIRMED_SUBSCRIBE
        return Cause.HANDOVER_GAP

    def _window(self, life: _Life) -> float:
        """W; 0 for a stream's cursor, nan without a read or a subscription."""
        if life.read_ms is None or life.attached_ms is None:
            return math.nan
        if life.channel is None:
            return 0.0
        return max(life.channel[0], life.attached_ms - self._delay_ms) - life.read_ms


def _publications(live: list[Range], first: int, last: int) -> Iterator[int]:
    """The live publications first..last."""
    for begin, stop in live:
        yield from range(max(begin, first), min(stop, last))
