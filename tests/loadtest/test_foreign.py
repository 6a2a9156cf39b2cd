"""A visit to a target: when a user comes back."""

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs
from target_kit import make_adapter

from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.loadtest.producer_api import ProducerUnreachable
from chunk7.loadtest.targets import foreign
from chunk7.wire.clock import now_ns

pytestmark = pytest.mark.clocked

LEAVE_MS = 60_000


def connections_of(monkeypatch: pytest.MonkeyPatch, away_ms: int) -> int:
    """How many connections a user makes who leaves after LEAVE_MS, each cut off at once."""
    made: list[int | None] = []

    class CutOff:
        connection_id = 1
        comes_back = True

        def __init__(self, visit: object, previous: int | None) -> None:
            made.append(previous)

        def run(self) -> None:
            pass

    monkeypatch.setattr(foreign, "ForeignConnection", CutOff)
    resume = {"by": "nothing", "away_ms": away_ms}
    worker: Any = SimpleNamespace(
        options=SimpleNamespace(adapter=make_adapter("ws://there", resume=resume))
    )
    began_ns = now_ns()
    round_: Any = SimpleNamespace(instant_ns=lambda ms: began_ns + int(ms * 1e6))
    visit: Any = SimpleNamespace(session_id="s1", leave_ms=LEAVE_MS)
    foreign.ForeignVisit(worker, round_, 0, visit, lambda *_: None).run()
    return len(made)


def test_a_user_comes_back_as_often_as_it_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connections_of(monkeypatch, away_ms=0) == foreign.MAX_CONNECTIONS


def failed_by(monkeypatch: pytest.MonkeyPatch, error: Chunk7Error) -> list[tuple[str, int]]:
    """How a visit whose connection meets this error ends the test: line and exit code."""
    failed: list[tuple[str, int]] = []

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(foreign, "ForeignConnection", fails)
    adapter = structs.replace(make_adapter("ws://there"), file="a.yaml")
    worker: Any = SimpleNamespace(
        options=SimpleNamespace(adapter=adapter), fail=lambda *said: failed.append(said)
    )
    round_: Any = SimpleNamespace(instant_ns=lambda ms: now_ns() + int(ms * 1e6))
    visit: Any = SimpleNamespace(session_id="s1", leave_ms=LEAVE_MS)
    foreign.ForeignVisit(worker, round_, 0, visit, lambda *_: None).run()
    return failed


@pytest.mark.parametrize("said", ["{room} is none of {session_id}", "a.yaml: values() raised X"])
def test_what_every_visit_would_meet_ends_the_test_in_one_line(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """A placeholder that only `values` could fill was a traceback a visit, and the run went on."""
    line = f"a.yaml: {said.removeprefix('a.yaml: ')}"
    assert failed_by(monkeypatch, UsageError(said)) == [(line, 2)]


def test_who_asks_says_itself_why_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It had found the adapter wrong; a user that met its closed door first ended the run with
    "--producer does not answer" and exit code 1."""
    assert failed_by(monkeypatch, ProducerUnreachable("--producer does not answer")) == []


def test_a_user_who_would_be_back_too_late_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """They once waited until it was time to leave, came then, and counted as a connection that the
    target did not open: with `away_ms: 2000` the run was not valid."""
    assert connections_of(monkeypatch, away_ms=LEAVE_MS) == 1
