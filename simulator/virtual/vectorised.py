"""The law for millions of connections: an ordering's list of steps, performed on arrays.

The dry run of `program.py` gives the steps; each becomes one operation on the instants of a
whole block (a latency is added, a confirmation is a maximum), so the read, the subscription and the
history frame come out as arrays. Counting is looking up in the session's chunk instants:

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
from chunk7.simulator.virtual.instants import Instants, Places
from chunk7.simulator.virtual.population import MAX_BEATS, SLOTS, Block, Draws, Integers, blocks
from chunk7.simulator.virtual.program import ConnectProgram, FollowFrom, connect_program
from chunk7.simulator.virtual.results import BlockOutcome
from chunk7.simulator.virtual.settings import SimulationSettings


def outcomes(
    settings: SimulationSettings, connect: ConnectOrdering, timelines: list[Timeline]
) -> Iterator[BlockOutcome]:
    """What happens to every block. Raises UsageError for an ordering that is no list of steps."""
    program = connect_program(connect)
    fills = connect.client is ClientPolicy.FILLS_GAPS
    instants = Instants(timelines)
    places = Places(instants, np.zeros(0, dtype=np.int64))
    for block in blocks(settings):
        if block.session is not places.session:  # nearly every block has the same
            places = Places(instants, block.session)
        yield _outcome(settings, program, places, block, fills)


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
    if settings.alone:
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
    places: Places,
    block: Block,
    fills: bool,
) -> BlockOutcome:
    draws, instants = Draws(settings, block), places.instants
    state = _handshake(settings, program, block, draws)
    assert state.read_ms is not None
    history = places.until(instants.save, state.read_ms)
    first = _first_live(settings, program, places, state, history)
    zeros = np.zeros(block.count, dtype=np.int64)
    lost, duplicate, out_of_order, rewinds, fetched = zeros, zeros, zeros, zeros, zeros
    if program.follow_from is not FollowFrom.CURSOR:
        lost = np.maximum(first - history, 0)
    if not program.merges and program.follow_from is not FollowFrom.CURSOR:
        early = first  # of the live chunks, these until here come before the history
        if program.sink is Sink.CLIENT and _subscribes_before_sending(program):
            assert state.sent_ms is not None
            early = np.maximum(first, places.before(instants.arrive, state.sent_ms))
            out_of_order = np.minimum(history, first) * (early > first)
        duplicate = np.maximum(history - first, 0)
        rewinds = _rewinds(places, history, first, early)
    if fills:
        late, back = _filled_late(settings, program, places, state, history, first, draws)
        out_of_order, rewinds = out_of_order + late, rewinds + back
        lost, fetched = fetched, lost
    return BlockOutcome(
        block.session,
        lost,
        duplicate,
        out_of_order,
        rewinds,
        fetched,
        _window(settings, program, state),
        state.welcomed_ms - block.join_ms,
        {} if fills else _causes(places, state, history, first),
    )


def _first_live(
    settings: SimulationSettings,
    program: ConnectProgram,
    places: Places,
    state: _Handshake,
    history: Integers,
) -> Integers:
    """(count,): position of the first chunk that comes live."""
    instants = places.instants
    if program.follow_from is FollowFrom.CURSOR:
        return history
    if program.follow_from is FollowFrom.BEGINNING:
        return np.zeros_like(history)
    assert state.subscribed_ms is not None
    if program.follow_from is FollowFrom.NEWEST:
        return places.until(instants.save, state.subscribed_ms)
    first = places.before(instants.publish, state.subscribed_ms)
    if settings.alone:
        return first
    assert state.attached_ms is not None
    return np.maximum(first, places.before(instants.arrive, state.attached_ms))


def _rewinds(places: Places, history: Integers, first: Integers, early: Integers) -> Integers:
    """(count,): how often the number falls: into the history, and from its end to a live chunk.

    Received are the live chunks first..early, the history 0..history and the live ones from early.
    """
    out = (early < places.chunks) & (early < history - 1)
    found: Integers = out.astype(np.int64)
    if early is not first:
        found += (early > first) & (history > 0) & (early > 1)
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
    effective = state.attached_ms - settings.delivery.mean_ms
    np.maximum(state.subscribed_ms, effective, out=effective)
    effective -= state.read_ms
    return effective


def _causes(
    places: Places, state: _Handshake, history: Integers, first: Integers
) -> dict[str, int]:
    """Lost chunks by cause, as `delivery.causes` has them, but counted by looking up.

    Those published by the read were saved too late, the others missed.
    """
    lossy = np.flatnonzero(first > history)
    if len(lossy) == 0:
        return {}
    assert state.read_ms is not None
    assert state.attached_ms is not None
    read, begin, end = state.read_ms.take(lossy), history.take(lossy), first.take(lossy)
    published = places.some(lossy).until(places.instants.publish, read)
    late = np.maximum(np.minimum(published, end) - begin, 0)
    missed = end - begin - late
    unconfirmed = int(missed[state.attached_ms.take(lossy) <= read].sum())
    return {
        Cause.SAVE_LAG: int(late.sum()),
        Cause.HANDOVER_GAP: int(missed.sum()) - unconfirmed,
        Cause.UNCONFIRMED_SUBSCRIBE: unconfirmed,
    }


def _filled_late(
    settings: SimulationSettings,
    program: ConnectProgram,
    places: Places,
    state: _Handshake,
    history: Integers,
    first: Integers,
    draws: Draws,
) -> tuple[Integers, Integers]:
    """(count,) each: chunks that a gap-filling client gets only after a later one, and rewinds.

    It can know of its hole from the welcome's head, the first later chunk or the next heartbeat;
    what a fetch does not find saved is fetched after the next heartbeat.
    """
    instants = places.instants
    late, rewinds = np.zeros((2, len(first)), dtype=np.int64)
    at = np.flatnonzero(first > history)
    places, welcomed = places.some(at), state.welcomed_ms.take(at)
    begin, end = history.take(at), first.take(at)
    asked = _hole_known(settings, program, places, state, at, begin, end)
    seen = end  # live chunks until here have come before the last answer
    for number in range(state.latencies, state.latencies + 2 * MAX_BEATS, 2):
        if not len(at):
            break
        executed = asked + draws.latency(number % SLOTS).take(at)
        reply = executed + draws.latency((number + 1) % SLOTS).take(at)
        found = np.clip(places.until(instants.save, executed), begin, end) - begin
        live = np.maximum(places.before(instants.arrive, reply), end)
        late[at] += found * (live > end)
        rewinds[at] += (found > 0) & (live > seen)
        begin = begin + found
        more = np.flatnonzero(begin < end)
        seen = np.where(found > 0, live, seen)
        places = places.some(more)
        at, begin, end, seen = (part.take(more) for part in (at, begin, end, seen))
        welcomed, reply = welcomed.take(more), reply.take(more)
        beats = np.floor((reply - welcomed) / settings.heartbeat_ms) + 1
        asked = welcomed + beats * settings.heartbeat_ms
    return late, rewinds


def _hole_known(
    settings: SimulationSettings,
    program: ConnectProgram,
    places: Places,
    state: _Handshake,
    at: Integers,
    begin: Integers,
    end: Integers,
) -> Durations:
    """When the clients `at`, whose places these are, know of their holes begin..end; (holes,)."""
    instants, welcomed = places.instants, state.welcomed_ms.take(at)
    known = np.minimum(places.at(instants.arrive, end), welcomed + settings.heartbeat_ms)
    if program.tells_head:
        assert state.head_read_ms is not None
        told = places.at(instants.number, begin) <= state.head_read_ms.take(at)
        known = np.where(told, np.minimum(known, welcomed), known)
    return known
