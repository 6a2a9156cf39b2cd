"""The law for millions of connections: an ordering's list of steps, performed on arrays.

The dry run of `program.py` gives the steps; each becomes one operation on the instants of a
whole block (a latency is added, a confirmation is a maximum), so the read, the subscription and the
history frame come out as arrays. Counting is a binary search in the session's chunk instants:

    history = chunks saved at or before the read
    first   = chunks published before the subscription, or here before the node had attached
    lost    = (first - history)+       duplicates = (history - first)+, unless the node merges

What is modelled is what `events.py` models, with the same random numbers, but no faults. A
client that fills gaps is not run: its fetch is put at the moment at which it can know of the hole.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from chunk7.delivery.effects import (
    Confirmed,
    Follow,
    Pause,
    ReadHead,
    ReadHistory,
    ReadStream,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
)
from chunk7.delivery.ordering import ClientPolicy, ConnectOrdering
from chunk7.delivery.verdicts import Cause
from chunk7.simulator.virtual.chunks import Timeline
from chunk7.simulator.virtual.distributions import Durations
from chunk7.simulator.virtual.population import MAX_BEATS, SLOTS, Block, Draws, Integers, blocks
from chunk7.simulator.virtual.program import ConnectProgram, FollowFrom, connect_program
from chunk7.simulator.virtual.results import BlockOutcome
from chunk7.simulator.virtual.settings import JoinSpread, SimulationSettings


def outcomes(
    settings: SimulationSettings, connect: ConnectOrdering, timelines: list[Timeline]
) -> Iterator[BlockOutcome]:
    """What happens to every block. Raises UsageError for an ordering that is no list of steps."""
    program = connect_program(connect)
    fills = connect.client is ClientPolicy.FILLS_GAPS
    instants = _Instants.of(timelines)
    for block in blocks(settings):
        yield _outcome(settings, program, instants, block, fills)


@dataclass(frozen=True, slots=True)
class _Instants:
    """All sessions' instants in one ascending array each: session s is moved up by s * span_ms."""

    span_ms: float
    first: Integers
    """Where each session begins in the arrays; one more at the end."""
    number_ms: Durations
    publish_ms: Durations
    save_ms: Durations
    arrive_ms: Durations

    @classmethod
    def of(cls, timelines: list[Timeline]) -> "_Instants":
        last = max((float(t.arrive_ms[-1]) for t in timelines if t.chunks), default=0.0)
        last = max([last, *(float(t.save_ms[-1]) for t in timelines if t.chunks)])
        span = 2.0 ** np.ceil(np.log2(last + 2))  # a power of two loses the fewest digits
        return cls(
            float(span),
            np.concatenate(([0], np.cumsum([t.chunks for t in timelines]))),
            np.concatenate([t.number_ms + s * span for s, t in enumerate(timelines)]),
            np.concatenate([t.publish_ms + s * span for s, t in enumerate(timelines)]),
            np.concatenate([t.save_ms + s * span for s, t in enumerate(timelines)]),
            np.concatenate([t.arrive_ms + s * span for s, t in enumerate(timelines)]),
        )

    def before(self, instants: Durations, session: Integers, at_ms: Durations) -> Integers:
        """(count,): how many of the session's instants are < at_ms."""
        return self._count(instants, session, at_ms, "left")

    def until(self, instants: Durations, session: Integers, at_ms: Durations) -> Integers:
        """(count,): how many of the session's instants are <= at_ms."""
        return self._count(instants, session, at_ms, "right")

    def _count(
        self, instants: Durations, session: Integers, at_ms: Durations, side: str
    ) -> Integers:
        keys = np.minimum(at_ms, self.span_ms - 1)
        keys += session * self.span_ms
        found: Integers = np.searchsorted(instants, keys, side=side)  # type: ignore[call-overload]
        return found - self.first[session]

    def at(self, instants: Durations, session: Integers, position: Integers) -> Durations:
        """(count,): the session's instant at that position, infinite behind its last."""
        where = self.first[session] + position
        inside = where < self.first[session + 1]
        found = instants[np.minimum(where, len(instants) - 1)] - session * self.span_ms
        return np.where(inside, found, np.inf)


@dataclass(slots=True)
class _Handshake:
    """A block's instants, shape (count,) each; None until the step has been performed."""

    now: Durations
    latencies: int = 0
    pauses: int = 0
    read_ms: Durations | None = None
    sent_ms: Durations | None = None
    attached_ms: Durations | None = None
    subscribed_ms: Durations | None = None
    confirmed_ms: Durations | None = None
    head_read_ms: Durations | None = None
    welcomed_ms: Durations = field(default_factory=lambda: np.zeros(0))


def _handshake(
    settings: SimulationSettings, program: ConnectProgram, block: Block, draws: Draws
) -> _Handshake:
    state = _Handshake(block.join_ms)
    for step in program.steps:
        if step is Pause:
            state.now = state.now + draws.work(state.pauses)
            state.pauses += 1
        elif step in (ReadHistory, ReadStream):
            state.read_ms = _command(state, draws)
        elif step is ReadHead:
            state.head_read_ms = _command(state, draws)
        elif step is Subscribe:
            _subscribe(settings, state, block, draws)
        elif step is Follow:
            state.attached_ms = state.now
            state.subscribed_ms = state.now + draws.latency(state.latencies)
            state.latencies += 2
        elif step is Confirmed:
            assert state.confirmed_ms is not None
            state.now = np.maximum(state.now, state.confirmed_ms)
        elif step is SendHistory:
            state.sent_ms = state.now
        elif step is SendWelcome:
            state.welcomed_ms = state.now
    return state


def _command(state: _Handshake, draws: Draws) -> Durations:
    """A request and its reply; the instant at which the store executed it."""
    executed = state.now + draws.latency(state.latencies)
    state.now = executed + draws.latency(state.latencies + 1)
    state.latencies += 2
    return executed


def _subscribe(settings: SimulationSettings, state: _Handshake, block: Block, draws: Draws) -> None:
    """Attach; the first of a group on its node asks the store, the others share."""
    attached = state.now
    subscribed = attached + draws.latency(state.latencies)
    confirmed = subscribed + draws.latency(state.latencies + 1)
    state.latencies += 2
    state.attached_ms = attached
    if settings.watchers == 1 and settings.joins is JoinSpread.UNIFORM:
        state.subscribed_ms, state.confirmed_ms = subscribed, confirmed
        return
    channel = (block.group - block.group.min()) * settings.nodes + block.node
    order = np.lexsort((attached, channel))
    firsts = order[np.concatenate(([True], np.diff(channel[order]) > 0))]
    leader = np.zeros(int(channel.max()) + 1, dtype=np.int64)
    leader[channel[firsts]] = firsts
    state.subscribed_ms = subscribed[leader[channel]]
    state.confirmed_ms = confirmed[leader[channel]]


def _outcome(
    settings: SimulationSettings,
    program: ConnectProgram,
    instants: _Instants,
    block: Block,
    fills: bool,
) -> BlockOutcome:
    draws = Draws(settings, block)
    state = _handshake(settings, program, block, draws)
    assert state.read_ms is not None
    history = instants.until(instants.save_ms, block.session, state.read_ms)
    first = _first_live(settings, program, instants, block, state, history)
    lost = np.maximum(first - history, 0)
    duplicate = np.maximum(history - first, 0)
    out_of_order = np.zeros(block.count, dtype=np.int64)
    rewinds = np.zeros(block.count, dtype=np.int64)
    early = first  # of the live chunks, these until here come before the history
    if program.merges:
        duplicate = np.zeros_like(duplicate)
    elif program.sink is Sink.CLIENT and _subscribes_before_sending(program):
        assert state.sent_ms is not None
        arrived = instants.before(instants.arrive_ms, block.session, state.sent_ms)
        early = np.maximum(first, arrived)
        out_of_order = np.where(early > first, np.minimum(history, first), 0)
    if not program.merges:
        rewinds = _rewinds(instants, block, history, first, early)
    causes = _causes(instants, block, state, history, first)
    fetched = np.zeros_like(lost)
    if fills:
        late, back = _filled_late(settings, program, instants, block, state, history, first, draws)
        out_of_order, rewinds = out_of_order + late, rewinds + back
        lost, fetched, causes = fetched, lost, {}
    return BlockOutcome(
        block.session,
        lost,
        duplicate,
        out_of_order,
        rewinds,
        fetched,
        _window(settings, program, state),
        state.welcomed_ms - block.join_ms,
        causes,
    )


def _first_live(
    settings: SimulationSettings,
    program: ConnectProgram,
    instants: _Instants,
    block: Block,
    state: _Handshake,
    history: Integers,
) -> Integers:
    """(count,): position of the first chunk that comes live."""
    if program.follow_from is FollowFrom.CURSOR:
        return history
    if program.follow_from is FollowFrom.BEGINNING:
        return np.zeros_like(history)
    assert state.subscribed_ms is not None
    if program.follow_from is FollowFrom.NEWEST:
        return instants.until(instants.save_ms, block.session, state.subscribed_ms)
    first = instants.before(instants.publish_ms, block.session, state.subscribed_ms)
    if settings.watchers == 1 and settings.joins is JoinSpread.UNIFORM:
        return first
    assert state.attached_ms is not None
    attached = instants.before(instants.arrive_ms, block.session, state.attached_ms)
    return np.maximum(first, attached)


def _rewinds(
    instants: _Instants, block: Block, history: Integers, first: Integers, early: Integers
) -> Integers:
    """(count,): how often the number falls: into the history, and from its end to a live chunk.

    Received are the live chunks first..early, the history 0..history and the live ones from early.
    """
    chunks = instants.first[block.session + 1] - instants.first[block.session]
    into = (early > first) & (history > 0) & (early > 1)
    out = (early < chunks) & (early < history - 1)
    found: Integers = into.astype(np.int64) + out
    return found


def _subscribes_before_sending(program: ConnectProgram) -> bool:
    return program.steps.index(Subscribe) < program.steps.index(SendHistory)


def _window(settings: SimulationSettings, program: ConnectProgram, state: _Handshake) -> Durations:
    """W. What a node attaches to an earlier subscription counts from one delivery delay before.

    0 for a stream that is followed from where it was read.
    """
    assert state.read_ms is not None
    if program.follow_from in (FollowFrom.CURSOR, FollowFrom.BEGINNING):
        return np.zeros(len(state.read_ms))
    assert state.subscribed_ms is not None
    assert state.attached_ms is not None
    effective = np.maximum(state.subscribed_ms, state.attached_ms - settings.delivery.mean_ms)
    return effective - state.read_ms


def _causes(
    instants: _Instants, block: Block, state: _Handshake, history: Integers, first: Integers
) -> dict[str, int]:
    """Lost chunks by cause, as `delivery.causes` has them, but counted by binary search.

    Those published by the read were saved too late, the others missed.
    """
    lossy = np.flatnonzero(first > history)
    if len(lossy) == 0:
        return {}
    assert state.read_ms is not None
    assert state.attached_ms is not None
    read, session = state.read_ms[lossy], block.session[lossy]
    published = instants.until(instants.publish_ms, session, read)
    late = np.clip(np.minimum(published, first[lossy]) - history[lossy], 0, None)
    missed = first[lossy] - history[lossy] - late
    unconfirmed = state.attached_ms[lossy] <= read
    return {
        Cause.SAVE_LAG: int(late.sum()),
        Cause.HANDOVER_GAP: int(missed[~unconfirmed].sum()),
        Cause.UNCONFIRMED_SUBSCRIBE: int(missed[unconfirmed].sum()),
    }


def _filled_late(
    settings: SimulationSettings,
    program: ConnectProgram,
    instants: _Instants,
    block: Block,
    state: _Handshake,
    history: Integers,
    first: Integers,
    draws: Draws,
) -> tuple[Integers, Integers]:
    """(count,) each: chunks that a gap-filling client gets only after a later one, and rewinds.

    It can know of its hole from the welcome's head, the first later chunk or the next heartbeat;
    what a fetch does not find saved is fetched after the next heartbeat.
    """
    late, rewinds = np.zeros((2, block.count), dtype=np.int64)
    at = np.flatnonzero(first > history)
    begin, end = history[at], first[at]
    asked = _hole_known(settings, program, instants, block, state, at, begin, end)
    seen = end  # live chunks until here have come before the last answer
    for number in range(state.latencies, state.latencies + 2 * MAX_BEATS, 2):
        if not len(at):
            break
        session, welcomed = block.session[at], state.welcomed_ms[at]
        executed = asked + draws.latency(number % SLOTS)[at]
        reply = executed + draws.latency((number + 1) % SLOTS)[at]
        found = np.clip(instants.until(instants.save_ms, session, executed), begin, end) - begin
        live = np.maximum(instants.before(instants.arrive_ms, session, reply), end)
        late[at] += np.where(live > end, found, 0)
        rewinds[at] += (found > 0) & (live > seen)
        seen, begin = np.where(found > 0, live, seen), begin + found
        beats = np.floor((reply - welcomed) / settings.heartbeat_ms) + 1
        asked = welcomed + beats * settings.heartbeat_ms
        more = begin < end
        at, begin, end, seen = (part[more] for part in (at, begin, end, seen))
        asked = asked[more]
    return late, rewinds


def _hole_known(
    settings: SimulationSettings,
    program: ConnectProgram,
    instants: _Instants,
    block: Block,
    state: _Handshake,
    at: Integers,
    begin: Integers,
    end: Integers,
) -> Durations:
    """When the clients `at` know of their holes begin..end; shape (holes,)."""
    session, welcomed = block.session[at], state.welcomed_ms[at]
    next_arrives = instants.at(instants.arrive_ms, session, end)
    known = np.minimum(next_arrives, welcomed + settings.heartbeat_ms)
    if program.tells_head:
        assert state.head_read_ms is not None
        told = instants.at(instants.number_ms, session, begin) <= state.head_read_ms[at]
        known = np.where(told, np.minimum(known, welcomed), known)
    return known
