"""An ordering's steps as a list, found by a dry run against made-up answers.

The dry run hands every effect an answer as a store would give it, once for an empty and once for a
part-filled session, and notes what the ordering asks for. The vectorised engine then performs the
list on arrays. It can do so only for an ordering that asks for the same things whatever it is
answered, reads once, sends just that, and subscribes once; for any other it refuses, naming the
reason, and the event-driven engine, which runs the ordering itself, is the one to take.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    BEGINNING,
    NEWEST,
    Append,
    AwaitReplicas,
    Begin,
    Clear,
    Confirmed,
    ConnectEffect,
    Follow,
    NextSeq,
    NumberSaveAndPublish,
    Pause,
    Poke,
    Publish,
    ReadHead,
    ReadHistory,
    ReadStream,
    ReadTail,
    Release,
    Save,
    SaveAndPublish,
    SendHistory,
    SendWelcome,
    SetStatus,
    Sink,
    StreamRead,
    Subscribe,
    WriteEffect,
)
from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, Feed, Join, WriteOrdering
from chunk7.delivery.stepping import Steps

_SAVED = tuple(Chunk("dry", "run", number, "", seq=number + 1) for number in range(3))
_CURSOR = "7-0"


class FollowFrom(StrEnum):
    """Where a stream ordering follows from."""

    CURSOR = "cursor"
    NEWEST = "newest"
    BEGINNING = "beginning"


@dataclass(frozen=True, slots=True)
class ConnectProgram:
    """`steps`: the effects' types in order. The rest says what their fields do, and is None or
    False where there is no such effect."""

    steps: tuple[type[ConnectEffect], ...]
    sink: Sink | None
    merges: bool
    """The release leaves out what the history had."""
    follow_from: FollowFrom | None
    tells_head: bool


def connect_program(ordering: ConnectOrdering) -> ConnectProgram:
    """The steps of a connect ordering that the vectorised engine can perform.

    Raises UsageError, with the reason, for one it cannot; OrderingError for a broken one.
    """
    if ordering.recovery is not None:
        raise _refusal(ordering.name, "its node recovers what it has left out")
    empty, filled = dry_join(ordering, ()), dry_join(ordering, _SAVED)
    steps = tuple(type(effect) for effect in filled)
    if steps != tuple(type(effect) for effect in empty):
        raise _refusal(ordering.name, "what it does depends on what it reads")
    _check_connect(ordering, filled)
    follow = _only(filled, Follow)
    release = _only(filled, Release)
    subscribe = _only(filled, Subscribe)
    welcome = _only(filled, SendWelcome)
    return ConnectProgram(
        steps=steps,
        sink=subscribe.to if subscribe else None,
        merges=_merges(ordering, release),
        follow_from=_follow_from(ordering, follow),
        tells_head=bool(welcome and welcome.head_seq is not None),
    )


_NOT_IN_TIME: dict[type[Any], str] = {
    Begin: "knows one answer a session",
    Clear: "knows one answer a session",
    Poke: "has no notices",
    AwaitReplicas: "has no replicas",
    SetStatus: "has no statuses",
}


def write_program(ordering: WriteOrdering) -> tuple[type[WriteEffect], ...]:
    """The types of a write ordering's effects, in order.

    Raises UsageError for AwaitReplicas, Begin, Clear and Poke, and when they depend on how many
    receivers a publication had: virtual time writes the chunks first and lets clients join
    afterwards. Raises OrderingError for a broken ordering.
    """
    nobody, somebody = _dry_write(ordering, 0), _dry_write(ordering, 1)
    if nobody != somebody:
        raise UsageError(
            f"{ordering.name} depends on its number of receivers, which simulate cannot know"
        )
    last = _dry_write(ordering, 1, final=True)
    for effect in (*nobody, *last):
        if type(effect) in _NOT_IN_TIME:
            reason = _NOT_IN_TIME[type(effect)]
            raise UsageError(f"{ordering.name} has {type(effect).__name__}, but simulate {reason}")
    return tuple(type(effect) for effect in nobody)


def check_regular(ordering: WriteOrdering) -> None:
    """Raises UsageError unless each chunk is numbered, published once and saved once."""
    effects = _dry_write(ordering, 1)
    published = [e for e in effects if isinstance(e, Publish | SaveAndPublish | Append)]
    saved = [e for e in effects if isinstance(e, Save | SaveAndPublish | Append)]
    scripts = [e for e in effects if isinstance(e, NumberSaveAndPublish)]
    numbers = [e for e in effects if isinstance(e, NextSeq)]
    once = len(published) + len(scripts) == 1 == len(saved) + len(scripts)
    numbered = len(numbers) + len(scripts) == 1 and all(
        effect.chunk.seq == 1 for effect in (*published, *saved)
    )
    if not (once and numbered):
        raise _refusal(ordering.name, "a chunk is not numbered, published and saved once each")


def merges(ordering: ConnectOrdering) -> bool:
    """Whether the node leaves out of its buffer what it has sent, as a dry run shows."""
    return any(isinstance(e, Release) and e.known for e in dry_join(ordering, _SAVED))


_ON_ARRAYS = frozenset(
    (
        *(Pause, Subscribe, Confirmed, ReadHistory, ReadStream, ReadHead),
        *(SendHistory, SendWelcome, Release, Follow),
    )
)
"""Effects of a join that the vectorised engine performs."""


def _check_connect(ordering: ConnectOrdering, effects: list[Any]) -> None:
    foreign = next((type(e).__name__ for e in effects if type(e) not in _ON_ARRAYS), None)
    if foreign is not None:
        raise _refusal(ordering.name, f"it has {foreign}, which has no array form")
    if any(isinstance(e, Follow) and e.to is Sink.BUFFER for e in effects):
        raise _refusal(ordering.name, "it follows into a buffer")
    reads = [e for e in effects if isinstance(e, ReadHistory | ReadStream)]
    sends = [e for e in effects if isinstance(e, SendHistory)]
    if reads not in ([ReadHistory()], [ReadStream()]):
        raise _refusal(ordering.name, "it does not read exactly once, from the beginning")
    if [send.chunks for send in sends] != [_SAVED]:
        raise _refusal(ordering.name, "it does not send exactly once, and just what it read")
    feed = Follow if ordering.feed is Feed.STREAM else Subscribe
    order = [type(e) for e in effects if not isinstance(e, Pause | ReadHead | SendWelcome)]
    if order.count(feed) != 1 or order.count(Subscribe) + order.count(Follow) != 1:
        raise _refusal(ordering.name, f"it does not use {feed.__name__} exactly once")
    if order.count(Confirmed) and order.index(Confirmed) < order.index(Subscribe):
        raise _refusal(ordering.name, "it waits for a subscription that it has not sent")
    buffered = Subscribe(Sink.BUFFER) in effects
    late = Release in order and order.index(Release) > order.index(SendHistory)
    if order.count(Release) != buffered or (buffered and not late):
        raise _refusal(ordering.name, "it does not release its buffer once, after the history")
    if sum(isinstance(e, SendWelcome) for e in effects) != 1:
        raise _refusal(ordering.name, "it does not send exactly one welcome")


def _merges(ordering: ConnectOrdering, release: Release | None) -> bool:
    known = release.known if release else frozenset()
    if known not in (frozenset(), frozenset(chunk.seq for chunk in _SAVED)):
        raise _refusal(ordering.name, "it releases its buffer without just what it has sent")
    return bool(known)


def _follow_from(ordering: ConnectOrdering, follow: Follow | None) -> FollowFrom | None:
    if follow is None:
        return None
    starts = {
        _CURSOR: FollowFrom.CURSOR,
        NEWEST: FollowFrom.NEWEST,
        BEGINNING: FollowFrom.BEGINNING,
    }
    if follow.after not in starts:
        raise _refusal(ordering.name, "it follows from neither its cursor nor a named position")
    return starts[follow.after]


def _refusal(name: str, reason: str) -> UsageError:
    return UsageError(f"{name}: {reason}; --engine vectorised cannot express it, use events")


def _only(effects: list[Any], kind: type[Any]) -> Any:
    return next((effect for effect in effects if isinstance(effect, kind)), None)


def dry_join(ordering: ConnectOrdering, saved: tuple[Chunk, ...] = ()) -> list[ConnectEffect]:
    """The effects of a join to a session of which that much is saved; raises OrderingError."""

    def answer(effect: ConnectEffect) -> Any:
        match effect:
            case ReadHistory():
                return saved
            case ReadHead():
                return len(saved)
            case ReadStream():
                return StreamRead(saved, _CURSOR)
            case ReadTail():
                return _CURSOR
            case _:
                return None

    return _dry_run(Steps(ordering.steps(Join("dry"))), answer)


def _dry_write(ordering: WriteOrdering, receivers: int, final: bool = False) -> list[Any]:
    def answer(effect: WriteEffect) -> Any:
        match effect:
            case NextSeq():
                return 1
            case Publish() | SaveAndPublish() | NumberSaveAndPublish():
                return receivers
            case Append():
                return _CURSOR
            case _:
                return None

    return _dry_run(Steps(ordering.steps(Chunk("dry", "run", int(final), "", final))), answer)


def _dry_run(steps: Steps, answer: Any) -> list[Any]:
    effects = []
    while steps.effect is not None:
        effects.append(steps.effect)
        steps.advance(answer(steps.effect))
    return effects
