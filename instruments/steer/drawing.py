"""A forced schedule as `explore` draws one: T1..Tn down, a column a participant, the risk window.

The risk window of a lost chunk opens with the read or the publication, whichever comes first, and
closes with the subscription or the saving, whichever comes last. What a read found and a client
received at a step is nothing that steering sees; what came of it stands at the end.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from chunk7.instruments.steer.outcome import SteerRow
from chunk7.instruments.steer.plan import (
    JOINS,
    LEAVER,
    NETWORK,
    PRODUCER,
    SteerEvent,
    SteerSchedule,
    SteerStep,
)
from chunk7.instruments.steer.schedule import NETWORK_EVENTS
from chunk7.simulator.explore.drawing import DrawnSchedule, DrawnStep

_WORDS = {
    SteerEvent.READ: "read history",
    SteerEvent.SUBSCRIBE: "subscribe, confirmed",
    SteerEvent.FOLLOW: "follow the stream",
    SteerEvent.ANSWER: "get the answer",
    SteerEvent.LEAVE: "unsubscribe",
    SteerEvent.PUBLISH: "publish {chunk}",
    SteerEvent.SAVE: "save {chunk}",
    SteerEvent.WRITE: "save and publish {chunk}",
    SteerEvent.APPEND: "append {chunk}",
    **NETWORK_EVENTS,
}
_APP = "app"
_COLUMNS = (PRODUCER, NETWORK, _APP, LEAVER)
_SENT = frozenset(("publish", "write", "append"))
_STORED = frozenset(("save", "write", "append"))
_LISTENS = frozenset(("subscribe", "follow", "answer"))
_GAP = "   "


def drawn(row: SteerRow, target: str) -> DrawnSchedule:
    """The schedule, and what its tries came to."""
    steps = row.schedule.steps
    columns = tuple(name for name in _COLUMNS if any(_column(step) == name for step in steps))
    several = any(step.actor == JOINS[1] for step in steps)
    marks = _marks(row.schedule, min(row.lost, default=None))
    lines = []
    for number, (step, mark) in enumerate(zip(steps, marks, strict=True), 1):
        words = _WORDS[step.event].format(chunk=step.chunk)
        who = f"[client{step.actor[-1]}] " if several and step.actor in JOINS else ""
        fields = [who + words if name == _column(step) else "" for name in columns]
        lines.append(DrawnStep(f"T{number}", fields, mark))
    return DrawnSchedule(_title(row, target), columns, lines, list(_ending(row)))


def _column(step: SteerStep) -> str:
    return _APP if step.actor in JOINS else step.actor


def _title(row: SteerRow, target: str) -> str:
    lost = ", ".join(
        f"chunk {chunk} in {tries} of {row.counts['forced']} forced tries"
        for chunk, tries in sorted(row.lost.items())
    )
    return f"{target}: loses {lost}" if lost else f"{target}: nothing is lost"


def _ending(row: SteerRow) -> Iterator[str]:
    counts = row.counts
    for name, words in (("doubled", "twice"), ("out_of_order", "out of order")):
        if counts[name]:
            yield f"something comes {words} in {counts[name]} of {counts['forced']} forced tries"
    yield from (f"Chunk {chunk}: LOST" for chunk in sorted(row.lost))


def _marks(schedule: SteerSchedule, chunk: int | None) -> list[str]:
    """The right margin: where the risk window starts and ends."""
    marks = [""] * len(schedule.steps)
    window = None if chunk is None else _window(schedule.steps, chunk)
    if window is not None:
        first, last = window
        marks[first : last + 1] = ["|"] * (last + 1 - first)
        marks[first] = "<- RISK WINDOW starts"
        marks[last] = "<- RISK WINDOW ends" if last > first else "<- RISK WINDOW"
    return marks


def _window(steps: Sequence[SteerStep], chunk: int) -> tuple[int, int] | None:
    """First and last step at which the chunk is in nobody's hands, of the first join it misses.

    Where a join had everything, something else took the chunk: the fault after its publication,
    or else nothing that the schedule shows.
    """
    of_chunk = [step.event if step.chunk == chunk else "" for step in steps]
    sent, stored = _first(of_chunk, _SENT), _first(of_chunk, _STORED)
    if sent is None or stored is None:
        return None
    for join in JOINS:
        events = [step.event if step.actor == join else "" for step in steps]
        read, listens = _first(events, {SteerEvent.READ}), _first(events, _LISTENS)
        if read is not None and listens is not None and sent < listens and read < stored:
            return min(sent, read), max(stored, listens)
    failed = [place for place, step in enumerate(steps) if step.actor == NETWORK and place > sent]
    return (sent, failed[0]) if failed else None


def _first(events: Sequence[str], wanted: frozenset[str] | set[SteerEvent]) -> int | None:
    return next((place for place, event in enumerate(events) if event in wanted), None)


def beside(left: DrawnSchedule, right: DrawnSchedule, width: int | None = None) -> str:
    """Both, side by side if they fit into `width` characters, or else one below the other."""
    texts = left.text().rstrip("\n"), right.text().rstrip("\n")
    columns = [text.split("\n") for text in texts]
    widths = [max(map(len, lines)) for lines in columns]
    if width is not None and sum(widths) + len(_GAP) > width:
        return f"{left.text(width)}\n{right.text(width)}"
    pairs = zip_longest(*columns, fillvalue="")
    return "".join(f"{a:<{widths[0]}}{_GAP}{b}".rstrip() + "\n" for a, b in pairs)
