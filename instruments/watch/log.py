"""A stretch of MONITOR without a hole in it: lines in, joins and chunks out.

Everything is kept that the patterns name, as fingerprints, up to MAX_EVENTS; nothing else is.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from chunk7.instruments.watch.events import Event, Reading
from chunk7.instruments.watch.guess import Traffic
from chunk7.instruments.watch.handover import Found, WatchedChunk, WatchedJoin, found_in
from chunk7.instruments.watch.monitor_line import parse_line
from chunk7.instruments.watch.pairing import learn
from chunk7.instruments.watch.patterns import Patterns

MAX_EVENTS = 1_000_000
"""About 600 MB of memory, by what 37,000 of them took."""


class Log:
    """One stretch. `lines`: commands read; `unreadable`: lines that are none."""

    def __init__(self, patterns: Patterns) -> None:
        self.patterns = patterns
        self.traffic = Traffic()
        self.lines = 0
        self.unreadable = 0
        self.events = 0
        self.first_us: int | None = None
        self.last_us: int | None = None
        self._reading = Reading(patterns)
        self._sessions: defaultdict[str, list[Event]] = defaultdict(list)
        self._wide: list[Event] = []

    def add(self, line: bytes) -> None:
        """Read the next line, as MONITOR sent it."""
        command = parse_line(line)
        if command is None:
            self.unreadable += 1
            return
        self.lines += 1
        self.first_us = self.first_us if self.first_us is not None else command.at_us
        self.last_us = command.at_us
        if not self.events:
            self.traffic.add(command)
        for event in self._reading.events(command):
            self.events += 1
            (self._wide if event.wide else self._sessions[event.session]).append(event)

    def found(self) -> Found:
        """All chunks and joins so far, by session and in the order of the reads."""
        sessions = {name: self._with_wide(name, events) for name, events in self._sessions.items()}
        learned = learn(sessions.values())
        return merged(found_in(events, learned) for events in sessions.values())

    def _with_wide(self, session: str, events: list[Event]) -> list[Event]:
        """With the pattern subscriptions that cover the session's channel."""
        channels = [p.name_of(session) for p in self.patterns.channel if "*" not in p.text]
        covering = [
            replace(event, session=session)
            for event in self._wide
            if event.wide and any(event.wide.fullmatch(channel) for channel in channels)
        ]
        return sorted((*events, *covering), key=lambda e: e.line) if covering else events


def merged(parts: Iterable[Found]) -> Found:
    """One result of many: of sessions, or of stretches."""
    chunks: list[WatchedChunk] = []
    joins: list[WatchedJoin] = []
    without_read = 0
    for part in parts:
        chunks += part.chunks
        joins += part.joins
        without_read += part.without_read
    return Found(chunks, sorted(joins, key=lambda join: join.read.at_us), without_read)


@dataclass(frozen=True, slots=True)
class Watched:
    """All that was seen: the stretches' results together, and how much there was to see."""

    found: Found
    lines: int
    unreadable: int
    events: int
    seconds: float


def watched(logs: Iterable[Log]) -> Watched:
    """Judge stretches of one system, each by itself."""
    stretches = list(logs)
    seconds = sum((log.last_us or 0) - (log.first_us or 0) for log in stretches) / 1e6
    return Watched(
        merged(log.found() for log in stretches),
        sum(log.lines for log in stretches),
        sum(log.unreadable for log in stretches),
        sum(log.events for log in stretches),
        seconds,
    )
