"""The event-driven engine against a cluster in miniature: `MemoryStore`, chunk by chunk."""

import heapq
import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from foreign_kit import backwards, knows_one_and_two, newest_and_fill, no_history
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mutants import MUTANTS

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    BEGINNING,
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
    Sink,
    Subscribe,
)
from chunk7.delivery.errors import OrderingError, UsageError
from chunk7.delivery.ordering import (
    ClientPolicy,
    ConnectOrdering,
    ConnectSteps,
    Feed,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)
from chunk7.delivery.stepping import Steps
from chunk7.delivery.store import MemoryStore
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual import events
from chunk7.simulator.virtual.chunks import Timeline, timelines_by_events
from chunk7.simulator.virtual.distributions import Constant, Exponential, LogNormal, Uniform
from chunk7.simulator.virtual.population import Block, Draws, blocks
from chunk7.simulator.virtual.receipts import judge
from chunk7.simulator.virtual.settings import Arrivals, JoinSpread, SimulationSettings
from chunk7.simulator.virtual.simulate import simulate
from chunk7.wire.account import Quantiles

PAIRS = [
    (connect, write)
    for connect in CONNECT_ORDERINGS.values()
    for write in WRITE_ORDERINGS.values()
    if connect.feed is write.feed
]
DASH = MUTANTS["counts_behind_the_dash"]


@connect_ordering()
def unconfirmed(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield SendWelcome()


@connect_ordering()
def reads_twice(join: Join) -> ConnectSteps:
    first = yield ReadHistory()
    yield SendHistory(first)
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    second = yield ReadHistory(after_seq=len(first))
    yield SendHistory(second)
    yield Release(known=frozenset(chunk.seq for chunk in first + second))
    yield SendWelcome()


class Miniature:
    """One answer's clients on a MemoryStore: every publication, delivery and frame is an event."""

    def __init__(self, connect: ConnectOrdering, timeline: Timeline, block: Block, draws: Draws):
        self._connect = connect
        self._id = timeline.saved[0].session_id if timeline.saved else "s0"
        self._store = MemoryStore()
        self._queue: list[tuple[float, int, Callable[[float], None]]] = []
        self._tick = itertools.count()
        self._draws = draws
        self._block = block
        self._used: dict[tuple[int, str], int] = defaultdict(int)
        self._confirmed_ms: dict[int, float] = {}
        self._attached: dict[int, list[int]] = defaultdict(list)
        self._buffers: dict[int, list[Chunk] | None] = {}
        self._known: dict[int, frozenset[int]] = defaultdict(frozenset)
        self._cursor: dict[int, Cursor] = {}
        self._ids: list[Cursor] = []
        self._appended_ms = -1
        self._arrived = 0
        self.received: dict[int, list[int]] = defaultdict(list)
        for at_ms in timeline.number_ms:
            self._at(at_ms, lambda _: void(self._store.next_seq(self._id)))
        stream = connect.feed is Feed.STREAM
        for at_ms, chunk in zip(timeline.save_ms, timeline.saved, strict=True):
            save = self._append if stream else self._save
            self._at(at_ms, lambda now, chunk=chunk, save=save: save(chunk, now))  # type: ignore
        self._timeline = timeline
        for position, chunk in enumerate(timeline.published):
            publish = timeline.publish_ms[position]
            if not stream:
                self._at(publish, lambda _, chunk=chunk: void(self._store.publish(chunk)))  # type: ignore
            self._at(timeline.arrive_ms[position], lambda _, chunk=chunk: self._arrive(chunk))  # type: ignore

    def run(self, places: list[int]) -> None:
        for place in places:
            steps = Steps(self._connect.steps(Join(self._id)))
            self._at(
                self._block.join_ms[place],
                lambda now, place=place, steps=steps: self._step(place, steps, now),  # type: ignore
            )
        while self._queue:
            now, _, action = heapq.heappop(self._queue)
            action(now)

    def _at(self, at_ms: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._queue, (float(at_ms), next(self._tick), action))

    def _draw(self, place: int, kind: str) -> float:
        number = self._used[place, kind]
        self._used[place, kind] += 1
        drawn = self._draws.latency(number) if kind == "latency" else self._draws.work(number)
        return float(drawn[place])

    def _arrive(self, chunk: Chunk) -> None:
        self._arrived += 1
        for node in range(8):
            mailbox = self._store.mailboxes[str(node)]
            if mailbox and mailbox[0].index == chunk.index:
                mailbox.popleft()
                for place in self._attached[node]:
                    self._forward(place, chunk)
        for place in self._cursor:
            self._follow_on(place)

    def _forward(self, place: int, chunk: Chunk) -> None:
        buffer = self._buffers[place]
        if buffer is not None:
            buffer.append(chunk)
        elif chunk.seq not in self._known[place]:
            self.received[place].append(chunk.index)

    def _follow_on(self, place: int) -> None:
        new = self._store.stream(self._id, self._cursor[place]).chunks
        position = len(self._ids) - len(new)
        for chunk in new[: max(0, self._arrived - position)]:
            self.received[place].append(chunk.index)
            self._cursor[place] = self._ids[chunk.index]

    def _save(self, chunk: Chunk, _: float) -> None:
        self._store.save(chunk)

    def _append(self, chunk: Chunk, now: float) -> None:
        same_ms = int(now) == self._appended_ms
        self._appended_ms = int(now)
        self._ids.append(self._store.append(chunk, same_ms=same_ms))

    def _step(self, place: int, steps: Steps, now: float) -> None:
        effect = steps.effect
        if effect is None:
            return

        def go_on(answer: Any) -> Callable[[float], None]:
            def then(at_ms: float) -> None:
                steps.advance(answer)
                self._step(place, steps, at_ms)

            return then

        def ask(read: Callable[[], Any]) -> None:
            sent, back = self._draw(place, "latency"), self._draw(place, "latency")
            self._at(now + sent, lambda at_ms: self._at(at_ms + back, go_on(read())))

        node = int(self._block.node[place])
        match effect:
            case Pause():
                self._at(now + self._draw(place, "work"), go_on(None))
            case ReadHistory(after_seq=after, to_seq=to):
                ask(lambda: self._store.history(self._id, after, to))
            case ReadHead():
                ask(lambda: self._store.head(self._id))
            case ReadStream(after=cursor):
                ask(lambda: self._store.stream(self._id, cursor))
            case Subscribe(to=sink):
                sent, back = self._draw(place, "latency"), self._draw(place, "latency")
                self._attached[node].append(place)
                self._buffers[place] = [] if sink is Sink.BUFFER else None
                if node not in self._confirmed_ms:
                    self._confirmed_ms[node] = now + sent + back
                    self._at(now + sent, lambda _: self._store.subscribe(str(node), self._id))
                go_on(None)(now)
            case Confirmed():
                self._at(max(now, self._confirmed_ms[node]), go_on(None))
            case SendHistory(chunks):
                self.received[place] += [chunk.index for chunk in chunks]
                go_on(None)(now)
            case Release(known):
                self._known[place] = known
                held, self._buffers[place] = self._buffers[place] or [], None
                for chunk in sorted(held, key=lambda chunk: chunk.seq):
                    self._forward(place, chunk)
                go_on(None)(now)
            case Follow(after):
                self._cursor[place] = after
                self._follow_on(place)
                go_on(None)(now)
            case SendWelcome():
                go_on(None)(now)
            case _:
                raise AssertionError(effect)


def void(_: Any) -> None:
    """For actions whose answer nobody reads."""


def by_miniature(
    cluster: SimulationSettings, connect: ConnectOrdering, timelines: list[Timeline]
) -> list[tuple[int, int, int, int]]:
    """(lost, duplicate, out of order, rewinds) of every connection of the only block."""
    (block,) = blocks(cluster)
    rows: dict[int, tuple[int, int, int, int]] = {}
    for group in np.unique(block.group):
        places = np.flatnonzero(block.group == group).tolist()
        timeline = timelines[group % cluster.sessions]
        miniature = Miniature(connect, timeline, block, Draws(cluster, block))
        miniature.run(places)
        for place in places:
            received = [(index, index + 1) for index in miniature.received[place]]
            duplicate, late, rewinds, missing = judge(received, timeline.chunks)
            rows[place] = sum(end - begin for begin, end in missing), duplicate, late, rewinds
    return [rows[place] for place in range(block.count)]


def by_events(
    cluster: SimulationSettings, connect: ConnectOrdering, timelines: list[Timeline]
) -> list[tuple[int, int, int, int]]:
    (outcome,) = events.outcomes(cluster, connect, timelines)
    columns = (outcome.lost, outcome.duplicate, outcome.out_of_order, outcome.rewinds)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    cell=st.sampled_from(
        [
            *PAIRS,
            (unconfirmed, PAIRS[0][1]),
            (reads_twice, WRITE_ORDERINGS["atomic_lua"]),
            (DASH.connect, DASH.write),
        ]
    ),
    watchers=st.integers(1, 6),
    nodes=st.integers(1, 3),
    joins=st.sampled_from(JoinSpread),
    arrivals=st.sampled_from(Arrivals),
    seed=st.integers(0, 1_000_000),
    scale=st.sampled_from([0.3, 3.0, 30.0]),
)
def test_every_verdict_is_that_of_a_memory_store_run_chunk_by_chunk(
    cell: Any,
    watchers: int,
    nodes: int,
    joins: JoinSpread,
    arrivals: Arrivals,
    seed: int,
    scale: float,
) -> None:
    connect = replace(cell[0], client=ClientPolicy.TAKES_ALL, recovery=None)
    write = cell[1]
    cluster = SimulationSettings(
        connections=24,
        nodes=nodes,
        sessions=2,
        watchers=watchers,
        message_chunks=12,
        chunk_rate=100,
        joins=joins,
        arrivals=arrivals,
        store_latency=Exponential(scale),
        node_work=LogNormal(scale, 0.5),
        save_lag=Uniform(0, 2 * scale),
        delivery_delay=Exponential(2 * scale),
        seed=seed,
    )
    timelines = timelines_by_events(cluster, write)
    assert by_events(cluster, connect, timelines) == by_miniature(cluster, connect, timelines)


def test_the_bug_reports_schedule_loses_exactly_the_chunk_in_the_window() -> None:
    """Chunks every 10 ms from 5 ms on; read at u + 1, subscribed at u + 8 ms."""
    cluster = SimulationSettings(
        connections=200,
        sessions=1,
        message_chunks=10,
        chunk_rate=100,
        arrivals=Arrivals.EVEN,
        store_latency=Constant(1.0),
        node_work=Constant(5.0),
    )
    write, connect = WRITE_ORDERINGS["atomic_lua"], CONNECT_ORDERINGS["history_then_subscribe"]
    timelines = timelines_by_events(cluster, write)
    assert timelines[0].publish_ms.tolist() == [6.0 + 10 * k for k in range(10)]
    assert timelines[0].arrive_ms.tolist() == [7.0 + 10 * k for k in range(10)]
    (block,) = blocks(cluster)
    (outcome,) = events.outcomes(cluster, connect, timelines)
    expected = [
        sum(join_ms + 1 < 6 + 10 * k < join_ms + 8 for k in range(10))
        for join_ms in block.join_ms.tolist()
    ]
    assert outcome.lost.tolist() == expected
    assert outcome.causes == {"handover_gap": sum(expected)}
    np.testing.assert_allclose(outcome.window_ms, 7.0)
    np.testing.assert_allclose(outcome.join_ms, 9.0)


def test_two_appends_of_one_millisecond_have_serials() -> None:
    """Entries were numbered n-0: whoever made up the next serial lost nothing."""
    cluster = SimulationSettings(
        connections=500,
        sessions=1,
        message_chunks=100,
        chunk_rate=2_500,
        arrivals=Arrivals.EVEN,
        store_latency=Constant(0.1),
    )
    timelines = timelines_by_events(cluster, DASH.write)
    saved_ms = timelines[0].save_ms.tolist()
    (block,) = blocks(cluster)
    expected = []
    for join_ms in block.join_ms.tolist():
        following = bisect_right(saved_ms, join_ms + 0.1)
        between = 0 < following < len(saved_ms)
        expected.append(int(between and int(saved_ms[following]) == int(saved_ms[following - 1])))
    (outcome,) = events.outcomes(cluster, DASH.connect, timelines)
    assert outcome.lost.tolist() == expected
    assert 200 < sum(expected) < 400
    (sound,) = events.outcomes(cluster, DASH.sound[0], timelines)
    assert not sound.lost.any()


@pytest.mark.parametrize(
    "effects", [(Subscribe(), Subscribe()), (Follow(BEGINNING), Follow(BEGINNING))]
)
def test_taking_live_chunks_twice_is_the_error_that_a_node_gives(effects: tuple[Any, ...]) -> None:
    def steps(join: Join) -> ConnectSteps:
        yield from effects

    cluster = SimulationSettings(connections=1)
    timelines = timelines_by_events(cluster, WRITE_ORDERINGS["atomic_lua"])
    with pytest.raises(OrderingError, match="twice takes live chunks from two places"):
        list(events.outcomes(cluster, ConnectOrdering("twice", steps), timelines))


def test_clients_of_one_node_share_its_subscription() -> None:
    """Alone W is reply + work + request; behind another's subscription no request is needed, and
    what was published one delivery before the client was attached still reaches it."""
    cluster = SimulationSettings(
        connections=1000,
        nodes=1,
        watchers=1000,
        store_latency=Constant(2.0),
        node_work=Constant(10.0),
        delivery_delay=Constant(3.0),
    )
    connect, write = CONNECT_ORDERINGS["history_then_subscribe"], WRITE_ORDERINGS["atomic_lua"]
    (outcome,) = events.outcomes(cluster, connect, timelines_by_events(cluster, write))
    windows = np.round(outcome.window_ms, 6).tolist()
    assert windows.count(14.0) == 1
    assert windows.count(9.0) >= 990  # the rest came while the first was being confirmed


def test_a_gap_filling_client_gets_everything_and_late() -> None:
    cluster = SimulationSettings(
        connections=2000, node_work=Constant(30.0), save_lag=Constant(1500.0)
    )
    connect, write = CONNECT_ORDERINGS["sequence_gap_fill"], WRITE_ORDERINGS["publish_then_save"]
    filling = simulate(cluster, connect, write)
    silent = simulate(cluster, replace(connect, client=ClientPolicy.TAKES_ALL), write)
    assert silent.chunks_lost > 10_000
    assert filling.chunks_lost == 0
    assert 0.9 * silent.chunks_lost < filling.chunks_out_of_order <= silent.chunks_lost


def test_a_gap_in_a_stream_is_filled_from_the_stream() -> None:
    cluster = SimulationSettings(connections=500, node_work=Constant(30.0))
    append = WRITE_ORDERINGS["stream_append"]
    silent = replace(newest_and_fill, client=ClientPolicy.TAKES_ALL)
    assert simulate(cluster, silent, append).chunks_lost > 500
    assert simulate(cluster, newest_and_fill, append).chunks_lost == 0


def test_a_client_that_is_sent_no_history_asks_for_nothing() -> None:
    cluster = SimulationSettings(connections=500)
    cell = simulate(cluster, no_history, WRITE_ORDERINGS["atomic_lua"])
    assert (cell.chunks_lost > 500, cell.chunks_fetched) == (True, 0)


def test_a_chunk_that_is_known_and_late_is_left_out_behind_a_higher_one_that_was_held() -> None:
    """Chunk 1, number 3, comes 7 ms after the start, chunk 2, number 2, 10 ms later; a buffer is
    released 7 ms after the join. So nobody gets chunk 2, and chunk 1 who comes early enough."""
    cluster = SimulationSettings(
        connections=100,
        sessions=1,
        message_chunks=2,
        chunk_rate=100,
        arrivals=Arrivals.EVEN,
        store_latency=Constant(1.0),
        node_work=Constant(5.0),
    )
    timelines = timelines_by_events(cluster, backwards)
    assert timelines[0].arrive_ms.tolist() == [7.0, 17.0]
    (block,) = blocks(cluster)
    (outcome,) = events.outcomes(cluster, knows_one_and_two, timelines)
    assert outcome.lost.tolist() == [1 if at_ms < 5 else 2 for at_ms in block.join_ms]
    assert set(outcome.lost.tolist()) == {1, 2}


@pytest.mark.parametrize(("connect", "write"), PAIRS, ids=lambda o: o.name)
def test_the_same_settings_give_the_same_result_bit_for_bit(connect: Any, write: Any) -> None:
    cluster = SimulationSettings(
        connections=600,
        sessions=8,
        watchers=3,
        node_work=Exponential(10),
        store_latency=LogNormal(1, 0.5),
        save_lag=Exponential(5),
        seed=11,
    )
    once = simulate(cluster, connect, write)
    assert once == simulate(cluster, connect, write)
    other = simulate(replace(cluster, seed=12), connect, write)
    assert other.join_ms != once.join_ms


def test_accounts_cross_foot() -> None:
    cluster = SimulationSettings(
        connections=500, sessions=8, node_work=Exponential(20), save_lag=Exponential(20)
    )
    for connect, write in PAIRS:
        cell = simulate(cluster, connect, write)
        assert cell.chunks_expected == cell.chunks_delivered + cell.chunks_lost
        assert sum(cell.causes.values()) == cell.chunks_lost
        assert cell.loss_rate_low <= cell.loss_rate <= cell.loss_rate_high


# --- other people's orderings ---


def _small(connect: ConnectOrdering, write: Any = WRITE_ORDERINGS["atomic_lua"]) -> Any:
    return simulate(
        SimulationSettings(connections=50, sessions=4, message_chunks=20), connect, write
    )


def test_an_ordering_that_never_subscribes_loses_what_is_live() -> None:
    @connect_ordering()
    def never(join: Join) -> ConnectSteps:
        yield SendHistory((yield ReadHistory()))

    cell = _small(never)
    assert cell.loss_rate > 0.8
    assert cell.causes == {"unknown": cell.chunks_lost}
    assert (cell.window_ms, cell.join_ms) == (Quantiles(), Quantiles())


def test_an_ordering_that_waits_for_nothing_is_an_error() -> None:
    @connect_ordering()
    def hasty(join: Join) -> ConnectSteps:
        yield Confirmed()

    with pytest.raises(OrderingError, match="subscription it never sent"):
        _small(hasty)


def test_an_effect_of_the_other_side_is_an_error() -> None:
    @write_ordering()
    def reads(chunk: Chunk) -> WriteSteps:
        yield ReadHead()  # type: ignore[misc]

    @connect_ordering()
    def saves(join: Join) -> ConnectSteps:
        from chunk7.delivery.effects import Save

        yield Save(Chunk("s", "m", 0, ""))  # type: ignore[misc]

    with pytest.raises(OrderingError, match="cannot ask for ReadHead"):
        _small(CONNECT_ORDERINGS["buffered_merge"], reads)
    with pytest.raises(OrderingError, match="cannot ask for Save"):
        _small(saves)


def test_effects_that_virtual_time_does_not_have_are_refused_by_name() -> None:
    cluster = SimulationSettings(connections=10, sessions=1)
    start = MUTANTS["starts_before_it_listens"]
    with pytest.raises(OrderingError, match="Start: in virtual time the answer is written before"):
        simulate(cluster, start.connect, start.write)
    pokes = MUTANTS["pokes_before_it_saves"]
    with pytest.raises(OrderingError, match="LookWhenPoked: in virtual time there are no notices"):
        simulate(cluster, pokes.connect, start.write)
    with pytest.raises(UsageError, match="pokes_before_it_saves has Poke, but simulate has no"):
        simulate(cluster, start.sound[0], pokes.write)
    for name, effect in (("clears_at_the_end", "Clear"), ("numbers_each_answer_anew", "Begin")):
        with pytest.raises(UsageError, match=f"{name} has {effect}, but simulate knows one answer"):
            simulate(cluster, MUTANTS[name].connect, MUTANTS[name].write)


def test_an_endless_ordering_is_an_error() -> None:
    @connect_ordering()
    def endless(join: Join) -> ConnectSteps:
        while True:
            yield Pause()

    with pytest.raises(OrderingError, match="more than 1000 effects"):
        _small(endless)


def test_a_producer_that_asks_who_listens_is_refused() -> None:
    from chunk7.delivery.effects import NextSeq, Publish, Save

    @write_ordering()
    def polite(chunk: Chunk) -> WriteSteps:
        chunk = chunk.numbered((yield NextSeq()))
        if not (yield Publish(chunk)):
            yield Save(chunk)

    with pytest.raises(UsageError, match="depends on its number of receivers"):
        _small(CONNECT_ORDERINGS["buffered_merge"], polite)


def test_a_chunk_that_is_published_twice_is_a_duplicate() -> None:
    from chunk7.delivery.effects import NextSeq, Publish, Save

    @write_ordering()
    def twice(chunk: Chunk) -> WriteSteps:
        chunk = chunk.numbered((yield NextSeq()))
        yield Save(chunk)
        yield Publish(chunk)
        yield Publish(chunk)

    cell = _small(CONNECT_ORDERINGS["subscribe_then_history"], twice)
    assert cell.chunks_lost == 0
    assert cell.chunks_duplicate > 300  # about half of 50 x 20 come live


def test_orderings_of_different_feeds_do_not_pair() -> None:
    with pytest.raises(UsageError, match="reads the stream feed and atomic_lua writes to pubsub"):
        _small(CONNECT_ORDERINGS["redis_streams"])
