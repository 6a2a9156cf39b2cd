"""What every format is read into, and the protocol of a format."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Protocol

from chunk7.loadtest.targets.paths import Message

_UNITS_NS = {"_ns": 1, "_us": 1_000, "_ms": 1_000_000, "_s": 1_000_000_000}
_SIZES = ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000))
_NEVER = 10**25
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d(?:[.,]\d+)?)")


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One frame; `at_ns` is when it came, on the recording's own clock, None if nobody noted it."""

    message: Message
    at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a recording is meant, where its format leaves that open.

    url: of HAR, a part of the URL of the one request. data, time, direction: of JSON lines, PATHs;
    direction is `PATH=VALUE`. data also names the field of a stream's entries.
    """

    url: str = ""
    data: str | None = None
    time: str | None = None
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a recording, in order. `asked_ns`: when the answer was asked for, if known."""

    frames: tuple[RecordedFrame, ...]
    asked_ns: int | None = None


class RecordingFormat(Protocol):
    """A format: a module of this folder."""

    SUMMARY: str

    def recognises(self, data: bytes) -> bool:
        """Whether a file looks like one of this format."""

    def read(self, data: bytes, wanted: Wanted) -> Frames:
        """Its frames. Raises UsageError with what is wrong and where, without the file's name."""


def instant_ns(value: object, name: str = "") -> int | None:
    """An instant as people write it down, in nanoseconds; None for what is none.

    Seconds, or milli-, micro- or nanoseconds by the ending of `name`, else by the size (an epoch's
    seconds have 10 digits); ISO 8601, taken as UTC where it does not say; or a time of day.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return _spelled_ns(str(value))
    if not number.is_finite() or abs(number) >= _NEVER:
        return None
    unit = next((ns for end, ns in _UNITS_NS.items() if name.endswith(end)), None)
    if unit is None:
        size = abs(number)
        unit = (
            1 if size >= 1e17 else 1_000 if size >= 1e14 else 1_000_000 if size >= 1e11 else 10**9
        )
    return round(number * unit)


def _spelled_ns(value: str) -> int | None:
    clock = _CLOCK.fullmatch(value)
    if clock is not None:
        hours, minutes, seconds = clock.groups()
        seconds_of_day = 3_600 * int(hours) + 60 * int(minutes) + float(seconds.replace(",", "."))
        return round(seconds_of_day * 1e9)
    try:
        at = datetime.fromisoformat(value.replace(",", "."))
    except ValueError:
        return None
    return round(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1e6) * 1_000
