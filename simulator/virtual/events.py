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
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from chunk7.delivery.gaps import GapTracker
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.simulator.virtual.causes import cause, window_ms
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


Row = tuple[int, int, int, int, int, float, float]
"""Of a connection: lost, duplicate, late, rewinds, fetched, window, how long it took to join."""


class _Run:
    """A cell, block by block and group by group."""

    def __init__(
        self, settings: SimulationSettings, connect: ConnectOrdering, sessions: list[Session]
    ) -> None:
        self._settings = settings
        self._fills = connect.mends
        self._sessions = sessions
        self._calm = [WatcherGroup(session, 0.0, None) for session in sessions]
        self._group = WatcherGroup(sessions[0], 0.0, None)  # none of those
        self._schedule = draw_schedule(settings) if settings.faults else None
        self._delay_ms = settings.delivery.mean_ms
        self._effects = Effects(connect)
        self._receiving = Receiving(connect.recovery is not None)
        self._fetching = Fetching(connect.feed, self._effects, settings.heartbeat_ms)
        self._causes: Counter[str] = Counter()

    def _turn_to(self, number: int, durations: DrawnDurations) -> None:
        """To the clients of an answer: the groups count through waves of all sessions."""
        wave, number = divmod(number, self._settings.sessions)
        if self._schedule is None:
            group = self._calm[number]
        else:
            epoch_ms = wave * self._settings.wave_ms
            group = WatcherGroup(self._sessions[number], epoch_ms, self._schedule)
        self._effects.turn_to(group, durations)
        if group is not self._group:
            self._group = group
            self._receiving.turn_to(group)
            self._fetching.turn_to(group.session)

    def outcome(self, block: Block, tick: Callable[[], None]) -> BlockOutcome:
        """Run every group of a block."""
        joins, nodes = block.join_ms.tolist(), block.node.tolist()
        borders = np.flatnonzero(np.diff(block.group)) + 1
        edges = [0, *borders.tolist(), block.count]
        groups = block.group[edges[:-1]].tolist()
        durations = DrawnDurations(Draws(self._settings, block))
        self._causes.clear()
        rows: list[Row] = []
        for group, begin, end in zip(groups, edges, edges[1:], strict=False):
            self._turn_to(group, durations)
            lives = [
                self._enter(place, nodes[place], joins[place], 0) for place in range(begin, end)
            ]
            if len(lives) == 1 and self._schedule is None:
                self._run_alone(lives[0])
            else:
                self._run(lives)
            rows += [self._settle(life, joins[life.place]) for life in lives]
            tick()
        lost, duplicate, late, rewinds, fetched, window, join = zip(*rows, strict=True)
        return BlockOutcome(
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

    def _run(self, lives: list[Life]) -> None:
        """Advance whoever is earliest, until all joins are over. Waves are the clock's zero.

        A client that had to rejoin has its last life in `lives` afterwards.
        """
        queue = [(life.join_ms, number, life) for number, life in enumerate(lives)]
        heapq.heapify(queue)
        entered, first = len(lives), lives[0].place
        learn = self._effects.learn
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
                    lives[life.place - first] = rejoined
                    heapq.heappush(queue, (rejoined.join_ms, entered, rejoined))
                    entered += 1

    def _run_alone(self, life: Life) -> None:
        """The same for one whom nothing and nobody can meet."""
        now, path, learn = life.join_ms, life.path, self._effects.learn
        while path.effect is not None:
            now, name = path.act(life, path, now)
            path = path.after.get(name) or learn(path, name)

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

    def _settle(self, life: Life, join_ms: float) -> Row:
        """Judge the receipts of a client: its last life, and when it first came."""
        chunks = self._group.session.chunks
        duplicate, late, rewinds, missing = judge(self._receiving.received(life), chunks)
        fetched = lost = 0
        if missing and self._fills:
            fetched = self._fetching.fill(life, missing)
            if fetched:
                received = self._receiving.received(life)
                duplicate, late, rewinds, missing = judge(received, chunks)
        for begin, end in missing:
            lost += end - begin
            for index in range(begin, end):
                self._causes[cause(self._group, life, index)] += 1
        window = window_ms(life.earlier[0] if life.earlier else life, self._delay_ms)
        took = math.nan if life.welcome_ms is None else life.welcome_ms - join_ms
        return lost, duplicate, late, rewinds, fetched, window, took
