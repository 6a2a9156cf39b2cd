"""Virtual time: the ordering files themselves, run against a seeded cluster.

What is an event: every step of every join, in the order of virtual time among the clients that
watch one answer (others do not meet). Each is what the connect ordering's own generator does when
it is sent what the store would answer at that instant; what it does next is looked up where it has
been sent the same before (`paths.py`).

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
has. A node that keeps positions (`ConnectOrdering.recovery`) sends what it missed while its
subscription was lost in its place, and the rest of what a client lacks as a client that fills gaps
would fetch it; that what comes live waits meanwhile is not modelled, so it may count as late. What
is not: the client's own network (its order is TCP's, so verdicts do not depend on it),
queues and their overflow, CPU contention between joins, histories of earlier answers, trimming, and
a gap-filling client's fetch of a chunk that is merely still under way.
"""

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from chunk7.delivery.gaps import GapTracker
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.simulator.virtual.causes import causes, window_ms
from chunk7.simulator.virtual.chunks import Timeline
from chunk7.simulator.virtual.effects import DrawnDurations, Effects
from chunk7.simulator.virtual.fault_schedule import draw_schedule
from chunk7.simulator.virtual.fetching import Fetching
from chunk7.simulator.virtual.lives import Life, Session, WatcherGroup, sessions_of
from chunk7.simulator.virtual.population import Block, Draws, blocks
from chunk7.simulator.virtual.receipts import Range, judge
from chunk7.simulator.virtual.receiving import Receiving
from chunk7.simulator.virtual.results import BlockOutcome
from chunk7.simulator.virtual.settings import SimulationSettings

MAX_LIVES = 100
"""A client rejoins at most this often."""


def outcomes(
    settings: SimulationSettings,
    connect: ConnectOrdering,
    timelines: list[Timeline],
    tick: Callable[[], None] = lambda: None,
) -> Iterator[BlockOutcome]:
    """What happens to every block, computed join by join. `tick` is called for every answer.

    Raises OrderingError when the ordering breaks the protocol.
    """
    run = _Run(settings, connect, sessions_of(timelines, connect.feed))
    for block in blocks(settings):
        yield run.outcome(block, tick)


class _Columns:
    """What becomes of a block's connections, by place."""

    __slots__ = ("duplicate", "fetched", "join", "late", "lost", "rewinds", "window")

    def __init__(self, count: int) -> None:
        none = bytes(8 * count)
        self.lost, self.duplicate, self.late = array("q", none), array("q", none), array("q", none)
        self.rewinds, self.fetched = array("q", none), array("q", none)
        self.window, self.join = array("d", none), array("d", none)

    def outcome(self, block: Block, causes: dict[str, int]) -> BlockOutcome:
        """As arrays, which share the memory."""
        return BlockOutcome(
            block.session,
            np.frombuffer(self.lost, dtype=np.int64),
            np.frombuffer(self.duplicate, dtype=np.int64),
            np.frombuffer(self.late, dtype=np.int64),
            np.frombuffer(self.rewinds, dtype=np.int64),
            np.frombuffer(self.fetched, dtype=np.int64),
            np.frombuffer(self.window),
            np.frombuffer(self.join),
            causes,
        )


class _Run:
    """A cell, block by block and group by group."""

    def __init__(
        self, settings: SimulationSettings, connect: ConnectOrdering, sessions: list[Session]
    ) -> None:
        self._settings = settings
        self._fills = connect.mends
        self._sessions = sessions
        self._schedule = draw_schedule(settings) if settings.faults else None
        self._alone = settings.alone and self._schedule is None
        self._delay_ms = settings.delivery.mean_ms
        self._effects = Effects(connect)
        self._receiving = Receiving(connect.recovery is not None)
        self._fetching = Fetching(connect.feed, self._effects, settings.heartbeat_ms)

    def outcome(self, block: Block, tick: Callable[[], None]) -> BlockOutcome:
        """Run every group of a block; where nobody can meet, all of a session at once."""
        self._causes: Counter[str] = Counter()
        self._columns = _Columns(block.count)
        self._joins, nodes = block.join_ms.tolist(), block.node.tolist()
        self._effects.durations = DrawnDurations(Draws(self._settings, block))
        together = block.session if self._alone else block.group
        borders = np.flatnonzero(np.diff(together)) + 1
        edges = [0, *borders.tolist(), block.count]
        groups = block.group[edges[:-1]].tolist()
        for group, begin, end in zip(groups, edges, edges[1:], strict=False):
            self._turn_to(group)
            places = range(begin, end)
            if self._alone:
                self._run_alone(places)
            else:
                self._run([self._enter(at, nodes[at], self._joins[at], 0) for at in places])
            tick()
        return self._columns.outcome(block, dict(self._causes))

    def _turn_to(self, number: int) -> None:
        """To the clients of an answer: the groups count through waves of all sessions."""
        wave, session = divmod(number, self._settings.sessions)
        epoch_ms = wave * self._settings.wave_ms
        self._group = WatcherGroup(self._sessions[session], epoch_ms, self._schedule)
        self._effects.turn_to(self._group)
        self._receiving.turn_to(self._group)
        self._fetching.turn_to(self._group.session)

    # --- joins, in the order of virtual time ---

    def _run_alone(self, places: range) -> None:
        """Each from its join to its end: nothing and nobody can meet it."""
        effects = self._effects
        start, learn, channels = effects.begin(0), effects.learn, effects.channels
        for place in places:
            channels.clear()
            now, path = self._joins[place], start
            life = Life(place, 0, now, 0, path)
            while path.effect is not None:
                now, name = path.act(life, path, now)
                try:
                    path = path.after[name]
                except KeyError:
                    path = learn(path, name)
            self._settle(life)

    def _run(self, lives: list[Life]) -> None:
        """Advance whoever is earliest, until all joins are over. Waves are the clock's zero."""
        queue = [(life.join_ms, number, life) for number, life in enumerate(lives)]
        heapq.heapify(queue)
        last = {life.place: life for life in lives}
        entered, learn = len(lives), self._effects.learn
        while queue:
            now, number, life = heapq.heappop(queue)
            limit = queue[0][0] if queue else math.inf
            path, end_ms = life.path, life.end_ms
            while now <= limit and path.effect is not None:
                now, name = path.act(life, path, now)
                if now >= end_ms:
                    break
                path = path.after.get(name) or learn(path, name)
            life.path = path
            if path.effect is not None and now < end_ms:
                heapq.heappush(queue, (now, number, life))
            elif end_ms < math.inf:
                rejoined = self._rejoin(life)
                if rejoined is not None:
                    last[life.place] = rejoined
                    heapq.heappush(queue, (rejoined.join_ms, entered, rejoined))
                    entered += 1
        for life in last.values():
            self._settle(life)

    def _enter(self, place: int, node: int, join_ms: float, after_seq: int) -> Life:
        """A client joins, or rejoins, through the proxy."""
        path = self._effects.begin(after_seq)
        if self._schedule is None:
            return Life(place, node, join_ms, after_seq, path)
        node, at_ms = self._schedule.home(node, join_ms + self._group.epoch_ms)
        life = Life(place, node, at_ms - self._group.epoch_ms, after_seq, path)
        crash_ms = self._schedule.crashes[node].next_start(at_ms) - self._group.epoch_ms
        # Later the answer is complete, and the clients are gone.
        if crash_ms < self._group.session.last_ms:
            life.end_ms = crash_ms
        return life

    def _rejoin(self, life: Life) -> Life | None:
        """The client's next life, if it misses anything when its node dies."""
        session = self._group.session
        ranges = self._receiving.received(life)
        *_, missing = judge(ranges, session.chunks)
        if not missing or len(life.earlier) + 1 >= MAX_LIVES:
            return None
        join_ms = life.end_ms + self._settings.rejoin_ms
        after_seq = missing[0][0] if session.regular else self._resume_after(ranges)
        rejoined = self._enter(life.place, life.node + 1, join_ms, after_seq)
        rejoined.earlier = (*life.earlier, life)
        rejoined.latencies, rejoined.pauses = life.latencies, life.pauses
        return rejoined

    def _resume_after(self, received: list[Range]) -> int:
        """The number up to which a client has everything, where numbers are not places."""
        session, tracker = self._group.session, GapTracker()
        seqs = {chunk.index: chunk.seq for chunk in (*session.saved, *session.published)}
        for index in (index for begin, end in received for index in range(begin, end)):
            tracker.receive(seqs[index])
        return tracker.resume_after

    # --- what came of it ---

    def _settle(self, life: Life) -> None:
        """Judge the receipts of a client, whose last life this is, and note what they come to."""
        session, columns, place = self._group.session, self._columns, life.place
        chunks = session.chunks
        duplicate, late, rewinds, missing = judge(self._receiving.received(life), chunks)
        if missing:
            if self._fills:
                fetched = self._fetching.fill(life, missing)
                if fetched:
                    columns.fetched[place] = fetched
                    received = self._receiving.received(life)
                    duplicate, late, rewinds, missing = judge(received, chunks)
            columns.lost[place] = self._lost(life, missing)
        if duplicate or late or rewinds:
            columns.duplicate[place] = duplicate
            columns.late[place] = late
            columns.rewinds[place] = rewinds
        first = life.earlier[0] if life.earlier else life
        columns.window[place] = window_ms(first, self._delay_ms)
        welcome_ms = math.nan if life.welcome_ms is None else life.welcome_ms
        columns.join[place] = welcome_ms - self._joins[place]

    def _lost(self, life: Life, missing: list[Range]) -> int:
        """How many chunks these are; why each never came is counted."""
        lost = 0
        for begin, end in missing:
            lost += end - begin
            for cause in causes(self._group, life, begin, end):
                self._causes[cause] += 1
        return lost
