"""The producer's control API, as docs/protocol.md has it: order a timetable, stop it.

HTTP by the standard library, which Locust has made cooperative; no proxy, whatever the
environment says, because the producer is ours.
"""

import time
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.wire.clock import boot_id, now_ns
from chunk7.wire.plan import Plan, Timetable, as_options

REQUEST_TIMEOUT_S = 10.0
_ANSWER_BYTES = 64 * 1024 * 1024
_LOOK_EVERY_S = 0.05


class ProducerUnreachable(Chunk7Error):
    """Nobody, or no producer, answers at --producer."""


class TimetableStopped(Chunk7Error):
    """The last timetable that the producer was given has been stopped."""


def place(producer: str, plan: Plan) -> Timetable:
    """Order a timetable; what runs now is stopped by it.

    Raises UsageError with the producer's own line if it refuses the plan, ProducerUnreachable.
    """
    return _timetable(producer, _ask(producer, "POST", msgspec.json.encode(plan)))


def current(producer: str, within_s: float) -> Timetable:
    """The producer's timetable of this moment.

    Raises TimetableStopped, and ProducerUnreachable, also when there has been none.
    """
    return _timetable(producer, _ask(producer, "GET", None, within_s))


def _timetable(producer: str, answer: bytes) -> Timetable:
    try:
        return msgspec.json.decode(answer, type=Timetable)
    except msgspec.MsgspecError as error:
        raise ProducerUnreachable(f"--producer {producer} sent no timetable: {error}") from error


def cancel(producer: str) -> None:
    """Stop the current timetable, if any; raises ProducerUnreachable."""
    _ask(producer, "DELETE", None)


def asked_session(producer: str, session_id: str, deadline_ns: int) -> str | None:
    """What a target calls the session that was asked for under this id; None: not in time.

    Raises ProducerUnreachable.
    """
    while now_ns() < deadline_ns:
        try:
            with _open(f"{producer}/session/{session_id}", "GET", None) as answer:
                return str(answer.read(_ANSWER_BYTES), "utf-8")
        except HTTPError as error:
            error.close()
            if error.code != 404:
                raise ProducerUnreachable(f"--producer {producer}: HTTP {error.code}") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise ProducerUnreachable(f"--producer {producer} does not answer: {reason}") from error
        time.sleep(_LOOK_EVERY_S)
    return None


def epoch_ns(timetable: Timetable) -> int:
    """The timetable's epoch on our own CLOCK_MONOTONIC: by Unix time if on another host."""
    if timetable.boot_id and timetable.boot_id == boot_id():
        return timetable.epoch_ns
    return now_ns() + timetable.epoch_unix_ns - time.time_ns()


def _ask(
    producer: str, method: str, body: bytes | None, within_s: float = REQUEST_TIMEOUT_S
) -> bytes:
    try:
        with _open(f"{producer}/timetable", method, body, within_s) as answer:
            content: bytes = answer.read(_ANSWER_BYTES)
            return content
    except HTTPError as error:
        with error:
            line = _first_line(error.read(4_096)) or str(error.reason)
        if error.code == 400:
            raise UsageError(as_options(line)) from error
        if error.code == 410:
            raise TimetableStopped(f"--producer {producer}: {line}") from error
        raise ProducerUnreachable(f"--producer {producer}: HTTP {error.code}: {line}") from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ProducerUnreachable(f"--producer {producer} does not answer: {reason}") from error


def _open(url: str, method: str, body: bytes | None, within_s: float = REQUEST_TIMEOUT_S) -> Any:
    headers = {"Content-Type": "application/json"}
    # Options let only http:// through.
    request = Request(url, data=body, method=method, headers=headers)  # noqa: S310
    return build_opener(ProxyHandler({})).open(request, timeout=within_s)


def _first_line(body: bytes) -> str:
    lines = body.decode(errors="replace").strip().splitlines()
    return lines[0][:300] if lines else ""
