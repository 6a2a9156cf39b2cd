"""Watch a store, or read a saved log, to the end; what was seen, and why it ended early if it did.

With a share below 1 the store is watched in slices of SLICE_S, with no connection between them.
Each slice is judged by itself: what began before it is not known in it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chunk7.delivery.errors import Chunk7Error, StoreLost, UsageError
from chunk7.instruments.watch.guess import Guess
from chunk7.instruments.watch.log import MAX_EVENTS, Log, Watched, watched
from chunk7.instruments.watch.patterns import Patterns
from chunk7.instruments.watch.source import IDLE_S, monitored_lines, saved_lines

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

    Raises as `monitored_lines` while nothing was seen, and UsageError with a guess as
    `watch_saved`, after GUESS_AFTER_S.
    """
    logs: list[Log] = []
    until_s = time.monotonic() + limits.duration_s
    try:
        while not limits.stop and (left_s := until_s - time.monotonic()) > 0:
            logs.append(Log(patterns))
            seconds = left_s if limits.share >= 1 else min(left_s, SLICE_S)
            _watch(url, seconds, logs, limits, tick)
            if _full(logs):
                return Outcome(watched(logs), FULL)
            _pause(min(SLICE_S * (1 / limits.share - 1), until_s - time.monotonic()), limits)
    except StoreLost as error:
        return Outcome(watched(logs), str(error), error)
    return Outcome(watched(logs), "by a signal" if limits.stop else None)


def _watch(
    url: str, seconds: float, logs: list[Log], limits: Limits, tick: Callable[[list[Log]], None]
) -> None:
    """One slice, into the last of the logs."""
    log, began_s = logs[-1], time.monotonic()
    ticked_s = began_s
    for line in monitored_lines(url, seconds):
        if line is not None:
            log.add(line)
        if limits.stop or _full(logs):
            return
        now_s = time.monotonic()
        if now_s - ticked_s >= IDLE_S:
            ticked_s = now_s
            _offer_guess(logs, now_s - began_s + SLICE_S * (len(logs) - 1))
            tick(logs)


def _full(logs: list[Log]) -> bool:
    return sum(log.events for log in logs) >= MAX_EVENTS


def _pause(seconds: float, limits: Limits) -> None:
    until_s = time.monotonic() + seconds
    while not limits.stop and (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(IDLE_S, left_s))


def _offer_guess(logs: list[Log], looked_s: float) -> None:
    nothing = not any(log.events for log in logs)
    if nothing and looked_s >= GUESS_AFTER_S and (guess := logs[-1].traffic.guess()):
        raise UsageError(_offer(guess, "--redis URL"))


def _offer(guess: Guess, source: str) -> str:
    return (
        "no key or channel in the traffic fits the patterns. If these are your sessions, say so: "
        f"chunk7 watch {source} {' '.join(guess.options())}"
    )
