"""A cell in Promela, so that somebody else's checker (SPIN) can be asked about it.

What an ordering does is written out as it was found by running it: the producer's commands one
after the other, and the join as an automaton whose branches are what its reads can find. The world
around them (the store, Pub/Sub, the node's handover, the client) is written by hand below, apart
from the explorer's; where the two disagree, one of them is wrong.

The language: G. Holzmann, "The SPIN Model Checker", 2003.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from string import Template
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.contract import Contract
from chunk7.delivery.cursor import CLOCK_START_MS, entry_id
from chunk7.delivery.effects import (
    NEWEST,
    Append,
    Confirmed,
    Cursor,
    Follow,
    Pause,
    Publish,
    ReadHead,
    ReadHistory,
    ReadStream,
    Release,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
)
from chunk7.delivery.errors import UsageError
from chunk7.delivery.life import ONE_BY_ONE
from chunk7.delivery.ordering import ClientPolicy, Feed, Join
from chunk7.delivery.stepping import Steps
from chunk7.delivery.store import MemoryStore
from chunk7.simulator.explore.naming import effect_name
from chunk7.simulator.explore.promela_world import WORLD
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import SESSION, ExploreCell, session_chunks
from chunk7.simulator.explore.stores import WRITES, execute

ENDED = "DONE"
MOST_POSITIONS = 10_000


def promela(cell: ExploreCell) -> str:
    """The model of a cell. Its first lines say how to ask SPIN.

    Raises UsageError for a cell with faults, trimming, a client or a recovery of its own, and for
    orderings whose effects the model does not have.
    """
    _check(cell)
    written = _written(cell)
    asks = cell.connect.client is ClientPolicy.FILLS_GAPS
    return Template(WORLD).substitute(
        connect=cell.connect.name,
        write=cell.write.name,
        chunks=cell.chunks,
        joiners=cell.joiners,
        early_beats=cell.early_beats,
        asks=int(asks),
        failures="|".join(failure.name for failure in Failure if failure in _KINDS),
        tables="\n".join(_tables(written)),
        producer=";\n".join(_commands(written)),
        join="\n".join(f"  {line}" for line in _join(cell, written)),
    )


_KINDS = frozenset(
    {
        Failure.LOSSY,
        Failure.DUPLICATING,
        Failure.OUT_OF_ORDER,
        Failure.REWINDING,
        Failure.STUCK,
    }
)


def _check(cell: ExploreCell) -> None:
    reasons = {
        "faults": bool(cell.faults),
        "several open writes": cell.life != ONE_BY_ONE,
        "a replica": cell.replica is not None,
        "a client of its own": cell.client is not None
        or not isinstance(cell.connect.client, ClientPolicy),
        "a recovery": cell.connect.recovery is not None,
        "an ending": cell.ends,
        "a contract": cell.contract is not Contract.WHOLE,
        "MAXLEN": cell.stream_max_entries is not None,
        "one client in company": cell.company,
        "a client that fills gaps on a stream": cell.connect.feed is Feed.STREAM
        and cell.connect.client is ClientPolicy.FILLS_GAPS,
    }
    for reason, present in reasons.items():
        if present:
            raise UsageError(
                f"--promela: {cell.connect.name} x {cell.write.name}: not with {reason}"
            )


# --- the producer ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Written:
    """What a producer does: its commands in order, and what they leave, (number, seq) each."""

    commands: list[Any] = field(default_factory=list)
    published: list[tuple[int, int]] = field(default_factory=list)
    saved: list[tuple[int, int]] = field(default_factory=list)
    appended: list[tuple[int, int]] = field(default_factory=list)
    contents: list[MemoryStore] = field(default_factory=list)
    """The store after each command, the first before any."""


def _written(cell: ExploreCell) -> _Written:
    """Nobody else writes, so a producer's numbers do not depend on when it does what.

    Raises UsageError for one that looks at how many subscribers there were.
    """
    alone, heard = (_dry_run(cell, receivers) for receivers in (0, 1))
    if alone.commands != heard.commands:
        raise UsageError(f"--promela: {cell.write.name} depends on the number of receivers")
    return alone


def _dry_run(cell: ExploreCell, receivers: int) -> _Written:
    written, store = _Written(), MemoryStore()
    if receivers:
        store.subscribe("node", SESSION)
    written.contents.append(_copy(store))
    for number, chunk in enumerate(session_chunks(cell.chunks), 1):
        steps = Steps(cell.write.steps(chunk))
        while (effect := steps.effect) is not None:
            if type(effect) is Pause:
                steps.advance(None)
                continue
            if type(effect) not in WRITES:
                raise UsageError(f"--promela: {cell.write.name}: not with {effect_name(effect)}")
            before = _counts(store)
            steps.advance(execute(store, SESSION, effect))
            _note(written, number, effect, before, store)
    return written


def _note(
    written: _Written, number: int, effect: Any, before: tuple[int, int], store: MemoryStore
) -> None:
    """Write down what the command has left in the store."""
    written.commands.append(effect)
    written.contents.append(_copy(store))
    history, entries = store.history(SESSION, -1), store.stream(SESSION, "0-0").chunks
    after = _counts(store)
    if after[0] > before[0]:
        written.saved.append((number, history[-1].seq))
    if after[1] > before[1]:
        written.appended.append((number, entries[-1].seq))
    name = effect_name(effect)
    if type(effect) is Publish:
        written.published.append((number, effect.chunk.seq))
    elif "publish" in name:
        written.published.append((number, history[-1].seq))


def _counts(store: MemoryStore) -> tuple[int, int]:
    return len(store.history(SESSION, -1)), len(store.stream(SESSION, "0-0").chunks)


def _copy(store: MemoryStore) -> MemoryStore:
    return MemoryStore.restored(store.snapshot())


def _commands(written: _Written) -> Iterator[str]:
    """The atomic events of the producer."""
    for place, effect in enumerate(written.commands, 1):
        name = effect_name(effect)
        parts = {
            "counter++": name in ("next_seq", "number_save_and_publish"),
            "saved++": "save" in name,
            "published++": "publish" in name,
            "entries++": type(effect) is Append,
            "produced = 1": place == len(written.commands),
        }
        does = "; ".join(part for part, is_so in parts.items() if is_so)
        yield f"  atomic {{ /* {name} */ {does} }}"
    if not written.commands:
        yield "  produced = 1"


def _tables(written: _Written) -> Iterator[str]:
    """What was published, saved and appended, as macros: constants cost no state."""
    for name in ("published", "saved", "appended"):
        pairs = getattr(written, name)
        for what, place in (("NUMBER", 0), ("SEQ", 1)):
            value = "0"
            for index, pair in reversed(list(enumerate(pairs))):
                value = f"((i) == {index} -> {pair[place]} : {value})"
            yield f"#define {name.upper()}_{what}(i) {value}"


# --- the join ----------------------------------------------------------------------------------


def _join(cell: ExploreCell, written: _Written) -> Iterator[str]:
    """The join of client j, a label a position."""
    labels: dict[tuple[Any, ...], str] = {}
    waiting: list[tuple[Any, ...]] = []

    def label(answers: tuple[Any, ...]) -> str:
        if answers not in labels:
            if len(labels) > MOST_POSITIONS:
                raise UsageError(
                    f"--promela: {cell.connect.name}: more than {MOST_POSITIONS} positions"
                )
            ended = _position(cell, answers) is None
            labels[answers] = ENDED if ended else f"P{len(labels)}"
            if not ended:
                waiting.append(answers)
        return labels[answers]

    def follow(answers: tuple[Any, ...], answer: Any) -> str:
        return label((*answers, answer))

    label(())
    while waiting:
        answers = waiting.pop(0)
        effect = _position(cell, answers)
        yield f"{labels[answers]}: /* {effect_name(effect)} */"
        yield _event(cell, written, effect, partial(follow, answers))


def _position(cell: ExploreCell, answers: tuple[Any, ...]) -> Any:
    """What the join asks for after these answers; None at its end."""
    steps = Steps(cell.connect.steps(Join(SESSION)))
    rest = list(answers)
    while type(steps.effect) is Pause or rest:
        steps.advance(None if type(steps.effect) is Pause else rest.pop(0))
    return steps.effect


def _event(cell: ExploreCell, written: _Written, effect: Any, after: Callable[[Any], str]) -> str:
    """The atomic event; `after` gives the label that follows an answer."""
    numbers = {chunk: number for number, chunk in enumerate(session_chunks(cell.chunks), 1)}
    match effect:
        case ReadHistory() | ReadHead() | ReadStream():
            return _read(written, effect, after)
        case Subscribe(to):
            does = f"subscribe(j, {to.name})"
        case Confirmed():
            does = "channel == SUBSCRIBED && sink[j] != NONE"
        case SendHistory(chunks):
            shows = [f"given(j, {_number(numbers, one)}, {one.seq})" for one in chunks]
            does = "; ".join([*shows, "has_history[j] = 1", "ask(j)"])
        case SendWelcome(head_seq):
            does = "skip" if head_seq is None else f"learn_head(j, {head_seq}); ask(j)"
        case Release(known):
            does = f"release(j, {sum(1 << seq for seq in known - {0})})"
        case Follow(cursor, Sink.CLIENT):
            does = f"following[j] = 1; cursor[j] = {_entries(cursor)}"
        case _:
            raise UsageError(f"--promela: {cell.connect.name}: not with {effect_name(effect)}")
    return f"  atomic {{ {does}; {_go(after(None))} }}"


def _read(written: _Written, effect: Any, after: Callable[[Any], str]) -> str:
    """A branch for each thing that the read can find: so much has been saved, or counted."""
    found: dict[int, Any] = {}
    for store in written.contents:
        saved, entries = _counts(store)
        name, count = {
            ReadHistory: ("saved", saved),
            ReadStream: ("entries", entries),
            ReadHead: ("counter", store.head(SESSION)),
        }[type(effect)]
        found.setdefault(count, execute(store, SESSION, effect))
    ways = "".join(
        f"\n    :: {name} == {value} -> {_go(after(answer))}" for value, answer in found.items()
    )
    return f"  atomic {{ if{ways}\n    fi }}"


def _go(label: str) -> str:
    return f"done[j] = 1; goto {label}" if label == ENDED else f"goto {label}"


def _number(numbers: dict[Chunk, int], chunk: Chunk) -> int:
    if chunk.numbered(0) not in numbers:
        raise UsageError(f"--promela: sends {chunk!r}, which is none of the session's")
    return numbers[chunk.numbered(0)]


def _entries(cursor: Cursor) -> str:
    """How many entries are up to the cursor: each has a millisecond of its own."""
    if cursor == NEWEST:
        return "entries"
    return str(max(0, entry_id(cursor)[0] - CLOCK_START_MS))
