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
from chunk7.delivery.ordering import ConnectOrdering, Join
from chunk7.delivery.stepping import Steps
from chunk7.simulator.virtual.causes import cause, window_ms
from chunk7.simulator.virtual.chunks import Timeline
from chunk7.simulator.virtual.effects import DrawnDurations, Effects
from chunk7.simulator.virtual.fault_schedule import FaultSchedule, draw_schedule
from chunk7.simulator.virtual.fetching import Fetching
from chunk7.simulator.virtual.lives import Life, Session, VirtualClient, WatcherGroup
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
    sessions = [Session(number, timeline) for number, timeline in enumerate(timelines)]
    schedule = draw_schedule(settings) if settings.faults else None
    for block in blocks(settings):
        yield _Run(settings, connect, sessions, schedule, block).outcome(tick)


class _Run:
    """One block of connections, group by group."""

    def __init__(
        self,
        settings: SimulationSettings,
        connect: ConnectOrdering,
        sessions: list[Session],
        schedule: FaultSchedule | None,
        block: Block,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._recovers = connect.recovery is not None
        self._fills = connect.mends
        self._sessions = sessions
        self._schedule = schedule
        self._block = block
        self._durations = DrawnDurations(Draws(settings, block))
        self._causes: Counter[str] = Counter()
        self._rows: list[tuple[int, int, int, int, int, float, float]] = [
            (0, 0, 0, 0, 0, math.nan, math.nan)
        ] * block.count
        self._begin(0)

    def _begin(self, number: int) -> None:
        """Turn to the clients of an answer: the groups count through waves of all sessions."""
        wave, session = divmod(number, self._settings.sessions)
        self._group = WatcherGroup(
            self._sessions[session], wave * self._settings.wave_ms, self._schedule
        )
        self._effects = Effects(self._connect, self._durations, self._group)
        self._receiving = Receiving(self._group, self._recovers)

    def outcome(self, tick: Callable[[], None]) -> BlockOutcome:
        """Run every group of the block."""
        block = self._block
        joins, nodes = block.join_ms.tolist(), block.node.tolist()
        borders = np.flatnonzero(np.diff(block.group)) + 1
        edges = [0, *borders.tolist(), block.count]
        groups = block.group[edges[:-1]].tolist()
        for group, begin, end in zip(groups, edges, edges[1:], strict=False):
            self._begin(group)
            clients = [VirtualClient(place) for place in range(begin, end)]
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
        """Advance whoever is earliest, until all joins are over. Waves are the clock's zero."""
        queue = [(life.join_ms, place, life) for place, life in enumerate(lives)]
        heapq.heapify(queue)
        entered = len(lives)
        perform = self._effects.perform
        while queue:
            now, place, life = heapq.heappop(queue)
            limit = queue[0][0] if queue else math.inf
            steps = life.steps
            while steps.effect is not None and now <= limit:
                now, answer = perform(life, steps.effect, now)
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

    def _enter(self, client: VirtualClient, node: int, join_ms: float, after_seq: int) -> Life:
        """A client joins, or rejoins, through the proxy."""
        schedule = self._schedule
        if schedule is not None:
            node, at_ms = schedule.home(node, join_ms + self._group.epoch_ms)
            join_ms = at_ms - self._group.epoch_ms
        steps = Steps(self._connect.steps(Join(self._group.session.session_id, after_seq)))
        life = Life(client, node, join_ms, after_seq, steps)
        if schedule is not None:
            crash_ms = schedule.crashes[node].next_start(at_ms) - self._group.epoch_ms
            # Later the answer is complete, and the clients are gone.
            if crash_ms < self._group.session.last_ms:
                life.end_ms = crash_ms
        client.lives.append(life)
        return life

    def _rejoin(self, life: Life) -> Life | None:
        """The client's next life, if it misses anything when its node dies."""
        client = life.client
        ranges = self._receiving.received(client)
        *_, missing = judge(ranges, self._group.session.chunks)
        if not missing or len(client.lives) >= MAX_LIVES:
            return None
        join_ms = life.end_ms + self._settings.rejoin_ms
        after_seq = missing[0][0] if self._group.session.regular else self._resume_after(ranges)
        return self._enter(client, life.node + 1, join_ms, after_seq)

    def _resume_after(self, received: list[Range]) -> int:
        """The number up to which a client has everything, where numbers are not places."""
        session, tracker = self._group.session, GapTracker()
        seqs = {chunk.index: chunk.seq for chunk in (*session.saved, *session.published)}
        for index in (index for begin, end in received for index in range(begin, end)):
            tracker.receive(seqs[index])
        return tracker.resume_after

    # --- what came of it ---

    def _settle(self, client: VirtualClient) -> None:
        """Judge a client's receipts, and note its row."""
        session = self._group.session
        duplicate, late, rewinds, missing = judge(self._receiving.received(client), session.chunks)
        fetched = 0
        if missing and self._fills:
            beat_ms = self._settings.heartbeat_ms
            fetching = Fetching(self._connect, self._effects, self._group, beat_ms)
            fetched = fetching.fill(client, missing)
        if fetched:
            duplicate, late, rewinds, missing = judge(
                self._receiving.received(client), session.chunks
            )
        for begin, end in missing:
            for index in range(begin, end):
                self._causes[cause(self._group, client.lives[-1], index)] += 1
        lost = sum(end - begin for begin, end in missing)
        window = window_ms(client.lives[0], self._settings.delivery.mean_ms)
        welcome_ms = client.lives[-1].welcome_ms
        took = (
            math.nan
            if welcome_ms is None
            else welcome_ms - float(self._block.join_ms[client.place])
        )
        self._rows[client.place] = (lost, duplicate, late, rewinds, fetched, window, took)
