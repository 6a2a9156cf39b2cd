"""What a network does, at the named moment of a schedule and nowhere else.

A fault is a step of the actor `network`. It strikes the connections of the join that is under way;
the application is left to do what it does then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from chunk7.delivery.errors import Chunk7Error
from chunk7.instruments.steer.plan import (
    NETWORK,
    PRODUCER,
    WRITE_EVENTS,
    SteerEvent,
    SteerSchedule,
    SteerStep,
)
from chunk7.instruments.steer.trial import Trial

JOIN = "join1"
CUT_WITHIN_S = 1.0
ReadAgain = Callable[[str, tuple[bytes, ...]], Awaitable[object]]
"""The store's answer to a command now."""

STEER_FAULTS: Mapping[str, str] = {
    "reply_lost": "the read is executed, and its connection ends before the answer comes",
    "connection_cut": "the read's connection ends between the read and the subscription",
    "store_kill_pubsub": "the subscription's connection ends while the client waits, and a new "
    "subscription comes only after the chunk",
    "stale_read": "the read is answered from a replica that does not have the chunk yet",
    "producer_timeout": "the target's own producer hears no answer to its write, executed or not",
}
"""By name, what it does; names that `chunk7.faults` has mean the same here."""
_TIMEOUTS = ("timeout_not_executed", "timeout_executed")
_EVENTS = {"producer_timeout": _TIMEOUTS, "store_kill_pubsub": ("store_reconnect",)}
"""The steps that a fault makes, where their names are not its own."""


def with_faults(
    names: Sequence[str], join: Sequence[SteerEvent], write: Sequence[SteerEvent]
) -> list[SteerSchedule]:
    """A schedule a fault, at the moment at which it matters; those that make sense for this join.

    `join` and `write` in the order in which the application does things.
    """
    strikes = [
        SteerStep(NETWORK, event, 1 if event in _TIMEOUTS else None)
        for name in names
        for event in _EVENTS.get(name, (name,))
    ]
    around = (_around(strike, join, write) for strike in strikes)
    return [SteerSchedule(tuple(steps)) for steps in around if steps is not None]


def _around(
    fault: SteerStep, join: Sequence[SteerEvent], write: Sequence[SteerEvent]
) -> list[SteerStep] | None:
    joins = [SteerStep(JOIN, event) for event in join]
    writes = [SteerStep(PRODUCER, event, 1) for event in write]
    listens = {SteerEvent.SUBSCRIBE, SteerEvent.FOLLOW} & {*join}
    if fault.event in _TIMEOUTS:  # what it strikes never happens as an event of its own
        return [*joins, fault]
    if fault.event == "store_reconnect":
        return [*joins, fault, *writes] if listens else None
    if SteerEvent.READ not in join:
        return None
    place = join.index(SteerEvent.READ) + 1
    if fault.event == "stale_read":
        return [fault, *joins[: place - 1], *writes, *joins[place - 1 :]]
    if fault.event == "connection_cut" and not listens & {*join[place:]}:
        return None
    return [*joins[:place], fault, *joins[place:], *writes]


def prepare(steps: Sequence[SteerStep], trial: Trial) -> None:
    """What a fault needs before anything happens: what it strikes must not slip through."""
    trial.wanted |= {
        SteerStep(PRODUCER, event, step.chunk)
        for step in steps
        if step.event in _TIMEOUTS
        for event in WRITE_EVENTS
    }
    if SteerStep(NETWORK, "reply_lost") in steps:
        trial.withheld.add(JOIN)


async def strike(fault: SteerStep, trial: Trial, read_again: ReadAgain) -> None:
    """Do it now. Raises Chunk7Error if there is nothing to strike."""
    name = fault.event
    if name == "stale_read":
        await _stale_read(trial, read_again)
        return
    if name in _TIMEOUTS:
        await _time_out(trial, fault.chunk, executed=name == "timeout_executed")
        return
    wanted = (SteerEvent.SUBSCRIBE, SteerEvent.FOLLOW)
    events = wanted if name == "store_reconnect" else (SteerEvent.READ,)
    passages = [p for step, p in trial.held.items() if step.actor == JOIN and step.event in events]
    if not passages:
        raise Chunk7Error(f"{name}: no connection of the join to strike")
    trial.hold_again = name == "store_reconnect"
    for passage in passages:
        passage.cut()
    await asyncio.sleep(0)


async def _time_out(trial: Trial, chunk: int | None, executed: bool) -> None:
    """The chunk's next command."""
    waiting = [
        passage
        for step, passage in trial.held.items()
        if step.actor == PRODUCER and step.chunk == chunk and not passage.forwarded.done()
    ]
    if not waiting:
        raise Chunk7Error("no command of the producer to time out")
    if executed:
        waiting[0].hold_reply = True
        waiting[0].forward()
        await asyncio.wait([waiting[0].answered], timeout=CUT_WITHIN_S)
    waiting[0].cut()


async def _stale_read(trial: Trial, read_again: ReadAgain) -> None:
    """Keep what the store says now, for the read that will come."""
    if trial.read_like is None:
        raise Chunk7Error("stale_read: the read's command is not known")
    name, args, session = trial.read_like
    here = trial.session.encode()
    now = tuple(arg.replace(session.encode(), here) for arg in args)
    trial.stale = encoded(await read_again(name, now))
    for step, passage in trial.held.items():
        if step.event == SteerEvent.READ:
            passage.replace_reply(trial.stale)


def encoded(answer: object) -> bytes:
    """An answer in RESP 2, which clients of RESP 3 read, too.

    >>> encoded([b"a", None, 1])
    b'*3\\r\\n$1\\r\\na\\r\\n$-1\\r\\n:1\\r\\n'
    """
    if isinstance(answer, bytes):
        return b"$%d\r\n%b\r\n" % (len(answer), answer)
    if isinstance(answer, int):
        return b":%d\r\n" % answer
    if isinstance(answer, list | tuple):
        return b"*%d\r\n" % len(answer) + b"".join(map(encoded, answer))
    assert answer is None, "RESP 2 has no other types in answers to reads"
    return b"$-1\r\n"
