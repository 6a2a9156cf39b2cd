"""What a producer that is not ours says it sent: the lines of its log, as they are written.

Every line is JSON; PATHs of the adapter (`ask.log`) say where in it session, text and the rest
stand. A line that is of no session, or is no JSON, is somebody else's: logs have many writers.
"""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from chunk7.loadtest.targets.adapter import LogRule
from chunk7.loadtest.targets.frame_reader import CONVERT, Sighting
from chunk7.loadtest.targets.paths import MISSING, Message, compile_path
from chunk7.wire.clock import now_ns

MAX_UNCLAIMED = 10_000
"""Lines of sessions that nobody has asked for yet, or never will; of more the oldest go."""
READ_BYTES = 1 << 20
_SECONDS_BELOW = (1e11, 1e14, 1e17)
"""Up to the year 5138 in seconds, milliseconds, microseconds; what is larger is nanoseconds."""

Take = Callable[[Sighting, int | None], None]
"""Is given a chunk, and when it was sent: on our CLOCK_MONOTONIC, None where the log says none."""


class ProducerLog:
    """Follows one log from its end on. `poll` reads what has come; `claim` says who wants it."""

    def __init__(self, rule: LogRule) -> None:
        self._path = Path(rule.file)
        self._session = compile_path(rule.session)
        self._time = None if rule.time is None else compile_path(rule.time)
        names = ("message", "index", "seq", "text")
        paths = {name: getattr(rule, name) for name in names}
        self._values = {name: compile_path(path) for name, path in paths.items() if path}
        self._at_byte = self._path.stat().st_size if self._path.exists() else 0
        self._rest = b""
        self._takers: dict[str, Take] = {}
        self._unclaimed: deque[tuple[str, Sighting, int | None]] = deque(maxlen=MAX_UNCLAIMED)

    def claim(self, session_id: str, take: Take) -> None:
        """From now on `take` has the session's chunks, and at once those that have come."""
        self._takers[session_id] = take
        waiting = list(self._unclaimed)
        self._unclaimed.clear()
        for line in waiting:
            self._hand_over(*line)

    def poll(self) -> None:
        """Read what was written since; a log that is not there yet, or was cut, has nothing."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at_byte)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            return
        self._at_byte += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._read(line)

    def _read(self, line: bytes) -> None:
        try:
            found = msgspec.json.decode(line)
            session_id = self._session(found, _NO_MESSAGE)
            if type(session_id) not in (str, int):
                return
            values = {
                name: _value(name, find(found, _NO_MESSAGE)) for name, find in self._values.items()
            }
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            return
        at = None if self._time is None else instant_ns(self._time(found, _NO_MESSAGE))
        sighting = Sighting(
            message_id=values.get("message"),
            index=values.get("index"),
            seq=values.get("seq"),
            text=values.get("text"),
        )
        self._hand_over(str(session_id), sighting, at)

    def _hand_over(self, session_id: str, sighting: Sighting, at_ns: int | None) -> None:
        take = self._takers.get(session_id)
        if take is None:
            self._unclaimed.append((session_id, sighting, at_ns))
        else:
            take(sighting, at_ns)


_NO_MESSAGE = Message("")


def _value(name: str, value: Any) -> Any:
    """Raises ValueError for what is there and is no such value."""
    return None if value is None or value is MISSING else CONVERT[name](value)


def instant_ns(value: Any) -> int | None:
    """A log's instant on our CLOCK_MONOTONIC: Unix time in s, ms, us or ns by its size, or ISO
    8601. None for what is neither."""
    if isinstance(value, str):
        try:
            value = float(value) if value.replace(".", "", 1).isdigit() else _iso_s(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        return None
    scale = next((n for n, below in enumerate(_SECONDS_BELOW) if value < below), 3)
    unix_ns = round(value * (10**9, 10**6, 10**3, 1)[scale])
    return now_ns() + unix_ns - time.time_ns()


def _iso_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
