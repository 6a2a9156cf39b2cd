"""Watch a store, or read a saved log, to the end; what was seen, and why it ended early if it did.

With a share below 1 the store is watched in slices of SLICE_S, with no connection between them.
Each slice is judged by itself: what began before it is not known in it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chunk7.delivery.errors import Chunk7Error, StoreLost, UsageError
from chunk7.instruments.watch.guess import Guess
from chunk7.instruments.watch.log import MAX_EVENTS, Log, Watched, watched
from chunk7.instruments.watch.patterns import Patterns
from chunk7.instruments.watch.source import TICK_S, monitor, saved_lines

SLICE_S = 5.0
GUESS_AFTER_S = 10.0
"""So long traffic is looked at that no pattern fits, before a guess is offered."""
FULL = f"{MAX_EVENTS} events are kept, and no more"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen. `error` ended it, `stopped` says what else did; None: it ran to its end."""

    watched: Watched
    stopped: str | None = None
    error: Chunk7Error | None = None


@dataclass
class Limits:
    """When to stop. `stop` may be set at any time, by a signal handler for one."""

    duration_s: float
    share: float = 1.0
    stop: bool = False


def watch_saved(path: Path, patterns: Patterns) -> Outcome:
    """Read a saved log. Raises UsageError and RecordError; UsageError offers a guess if nothing
    in the log fits the patterns and something else looks like a handover."""
    log = Log(patterns)
    for line in saved_lines(path):
        log.add(line)
        if _full([log]):
            return Outcome(watched([log]), FULL)
    if log.unreadable and not log.lines:
        raise UsageError(f"--from {path}: not one line is of MONITOR's form")
    if not log.events and (guess := log.traffic.guess()):
        raise UsageError(_offer(guess, f"--from {path}"))
    return Outcome(watched([log]))


def watch_live(
    url: str, patterns: Patterns, limits: Limits, tick: Callable[[list[Log]], None]
) -> Outcome:
    """Watch until a limit is met; `tick` is called several times a second.

    Raises as `chunk7.instruments.watch.source.monitor`, but for StoreLost, and UsageError with a
    guess as `watch_saved`, after GUESS_AFTER_S.
    """
    return asyncio.run(_watch_live(url, patterns, limits, tick))


async def _watch_live(
    url: str, patterns: Patterns, limits: Limits, tick: Callable[[list[Log]], None]
) -> Outcome:
    logs: list[Log] = []
    until_s = time.monotonic() + limits.duration_s
    try:
        while not limits.stop and (left_s := until_s - time.monotonic()) > 0:
            logs.append(Log(patterns))
            seconds = left_s if limits.share >= 1 else min(left_s, SLICE_S)
            await monitor(url, seconds, logs[-1].add, _Ticks(logs, limits, tick))
            if _full(logs):
                return Outcome(watched(logs), FULL)
            await _pause(min(SLICE_S * (1 / limits.share - 1), until_s - time.monotonic()), limits)
    except StoreLost as error:
        return Outcome(watched(logs), str(error), error)
    return Outcome(watched(logs), "by a signal" if limits.stop else None)


class _Ticks:
    """Whether to go on with a slice, the last of the logs; offers a guess when it is time."""

    def __init__(self, logs: list[Log], limits: Limits, tick: Callable[[list[Log]], None]) -> None:
        self._logs, self._limits, self._tick = logs, limits, tick
        self._began_s = time.monotonic() - SLICE_S * (len(logs) - 1)

    def __call__(self) -> bool:
        looked_s = time.monotonic() - self._began_s
        nothing = not any(log.events for log in self._logs)
        if nothing and looked_s >= GUESS_AFTER_S and (guess := self._logs[-1].traffic.guess()):
            raise UsageError(_offer(guess, "--redis URL"))
        self._tick(self._logs)
        return not self._limits.stop and not _full(self._logs)


def _full(logs: list[Log]) -> bool:
    return sum(log.events for log in logs) >= MAX_EVENTS


async def _pause(seconds: float, limits: Limits) -> None:
    until_s = time.monotonic() + seconds
    # `stop` is set by a signal's handler, which knows of no event loop.
    while not limits.stop and (left_s := until_s - time.monotonic()) > 0:  # noqa: ASYNC110
        await asyncio.sleep(min(TICK_S, left_s))


def _offer(guess: Guess, source: str) -> str:
    return (
        "no key or channel in the traffic fits the patterns. If these are your sessions, say so: "
        f"chunk7 watch {source} {' '.join(guess.options())}"
    )
