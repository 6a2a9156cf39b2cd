"""A producer's own log is the truth of a run: its lines, as they are written."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.targets.adapter import LogRule, read_adapter
from chunk7.loadtest.targets.frame_reader import Sighting
from chunk7.loadtest.targets.producer_log import MAX_UNCLAIMED, ProducerLog, instant_ns
from chunk7.wire.clock import now_ns

Seen = list[tuple[Sighting, int | None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "producer.log"
    path.write_text('{"room": "a", "t": "of the day before"}\n')
    return path


def follow(path: Path, **more: str) -> ProducerLog:
    return ProducerLog(LogRule(file=str(path), session="room", text="t", **more))


def write(path: Path, *lines: dict[str, Any] | str, end: str = "\n") -> None:
    with path.open("a") as file:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        file.write("\n".join(texts) + end)


def claimed(log: ProducerLog, session: str) -> Seen:
    seen: Seen = []
    log.claim(session, lambda sighting, at_ns: seen.append((sighting, at_ns)))
    return seen


def test_a_session_gets_its_lines_from_now_on_and_no_others(path: Path) -> None:
    log = follow(path, index="i")
    seen = claimed(log, "a")
    write(path, {"room": "a", "t": "x", "i": 0}, {"room": "b", "t": "y", "i": 0}, "no JSON", "[]")
    log.poll()
    assert seen == [(Sighting(index=0, text="x"), None)]


def test_lines_that_came_before_somebody_knew_the_session_are_kept(path: Path) -> None:
    """A target names its session in the answer to the request, and has written by then."""
    log = follow(path)
    write(path, {"room": "a", "t": "x"}, {"room": "b", "t": "y"})
    log.poll()
    assert [seen.text for seen, _ in claimed(log, "a")] == ["x"]
    assert [seen.text for seen, _ in claimed(log, "b")] == ["y"]


def test_lines_that_nobody_claims_do_not_pile_up(path: Path) -> None:
    log = follow(path)
    for number in range(3):
        write(path, *[{"room": "a", "t": f"{number}"}] * (MAX_UNCLAIMED // 2))
        log.poll()
    assert len(claimed(log, "a")) == MAX_UNCLAIMED


def test_a_line_is_read_once_it_is_whole(path: Path) -> None:
    log = follow(path)
    seen = claimed(log, "a")
    write(path, '{"room": "a", "t"', end="")
    log.poll()
    assert seen == []
    write(path, ': "x"}')
    log.poll()
    assert [sighting.text for sighting, _ in seen] == ["x"]


def test_a_log_that_is_not_there_yet_has_nothing(tmp_path: Path) -> None:
    log = follow(tmp_path / "later.log")
    seen = claimed(log, "a")
    log.poll()
    write(tmp_path / "later.log", {"room": "a", "t": "x"})
    log.poll()
    assert len(seen) == 1


@pytest.mark.parametrize("per_s", [1, 10**3, 10**6, 10**9])
def test_an_instant_is_in_the_unit_that_its_size_says(per_s: int) -> None:
    at_ns = instant_ns(time.time() * per_s)
    assert at_ns is not None
    assert abs(at_ns - now_ns()) < 1e9


def test_an_instant_may_be_a_date(path: Path) -> None:
    at_ns = instant_ns("2026-01-01T00:00:00+00:00")
    assert at_ns is not None
    assert at_ns < now_ns()


@pytest.mark.parametrize("value", [None, "soon", True, 0, [], {}])
def test_what_is_no_instant_is_none(value: Any) -> None:
    assert instant_ns(value) is None


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        ("reference: log", "ask.log: goes with reference: log, and that with it"),
        ("log: {file: f, session: s, text: t}", "ask.log: goes with reference: log"),
        (
            "reference: log, log: {file: f, session: s}",
            "ask.log: needs text, index or seq to tell chunks apart",
        ),
        (
            "reference: log, log: {file: f, session: a..b, text: t}",
            "ask.log.session: 'a..b' is no path",
        ),
    ],
)
def test_a_log_that_cannot_be_used_is_one_line(tmp_path: Path, ask: str, line: str) -> None:
    file = tmp_path / "adapter.yaml"
    file.write_text(
        "name: x\nurl: http://h/\nframes: [{is: chunk, text: t}]\n"
        f"ask: {{url: 'http://h/', {ask}}}\n"
    )
    with pytest.raises(UsageError) as error:
        read_adapter(file)
    assert line in str(error.value)
