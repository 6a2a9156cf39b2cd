"""Asking the target for an answer, and fetching the finished one."""

from typing import Any

import pytest
from http_kit import answering, events, http
from msgspec.structs import replace
from target_kit import make_adapter, receive_all, soon

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.targets.adapter import Adapter
from chunk7.loadtest.targets.client import (
    TargetJoin,
    fetch_finished,
    open_request,
    open_target,
    request_once,
    session_of,
)
from chunk7.loadtest.targets.errors import Closed, Refused, WrongAnswer
from chunk7.loadtest.targets.paths import Message

pytestmark = pytest.mark.clocked

JOIN = TargetJoin("s 1", 3, 4)


def asking(address: str, **ask: Any) -> Adapter:
    return make_adapter("ws://h", ask={"url": f"http://{address}/ask/{{session_id}}"} | ask)


def test_the_request_is_the_adapters_and_its_answer_is_json() -> None:
    with answering(http(b'{"id":"x7","n":[1]}', "201 Created")) as server:
        adapter = asking(
            server.address, headers={"X": "u{user}"}, body={"q": "{session_id}"}, session_id="id"
        )
        answer = request_once(adapter, JOIN, soon())
        assert session_of(adapter, JOIN, answer) == "x7"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /ask/s%201 ")
    assert b"X: u3" in head
    assert b"Content-Type: application/json" in head
    assert body == b'{"q":"s 1"}'


def test_a_session_that_is_ours_needs_no_answer() -> None:
    with answering(http(b"started")) as server:
        adapter = asking(server.address)
        answer = request_once(adapter, JOIN, soon())
    assert session_of(adapter, JOIN, answer) == "s 1"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"started", "ask: the answer is no JSON, so it has no session_id: started"),
        (b'{"id":null}', 'ask.session_id: no session at id in {"id":null}'),
        (b'{"ids":1}', "ask.session_id: no session at id in"),
        (b"", "ask.session_id: no session at id in null"),
    ],
)
def test_an_answer_without_the_session_it_should_name_is_said(answer: bytes, words: str) -> None:
    with answering(http(answer)) as server:
        adapter = asking(server.address, session_id="id")
        with pytest.raises(WrongAnswer) as caught:
            session_of(adapter, JOIN, request_once(adapter, JOIN, soon()))
    assert words in str(caught.value)


def test_a_refusal_is_told_with_its_line() -> None:
    refusal = http(b"no model", "422 No")
    with answering(refusal) as server, pytest.raises(Refused, match="HTTP 422: no model"):
        request_once(asking(server.address), JOIN, soon())


def test_an_answer_that_breaks_off_is_none() -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"
    with answering(half) as server, pytest.raises(Closed, match="broken off"):
        request_once(asking(server.address), JOIN, soon())


def test_the_response_itself_may_be_the_stream() -> None:
    with answering(events(b"data: a\n\n")) as server:
        adapter = asking(server.address, reference="request", body="tell")
        messages, _ = receive_all(open_request(adapter, JOIN, soon()))
    assert messages == [Message("a", "message")]
    assert server.requests[0].endswith(b"\r\n\r\ntell")


def test_the_finished_answer_is_fetched_with_the_same_headers() -> None:
    with answering(http('{"answer":["ä"]}'.encode())) as server:
        reference = {"url": f"http://{server.address}/done/{{session_id}}", "text": "answer.0"}
        adapter = asking("h", headers={"X": "y"}, reference=reference)
        assert fetch_finished(adapter, JOIN, soon()) == "ä"
        wrong = asking("h", reference=reference | {"text": "text"})
        with pytest.raises(WrongAnswer, match=r"ask\.reference\.text: no text at text in"):
            fetch_finished(wrong, JOIN, soon())
    assert server.requests[0].startswith(b"GET /done/s%201 ")
    assert b"X: y" in server.requests[0]


def test_an_adapters_own_values_are_placeholders_and_its_failures_one_line() -> None:
    with answering(events(b"")) as server:
        adapter = make_adapter(f"http://{server.address}/{{room}}")
        known = replace(adapter, values=lambda session_id, user: {"room": f"{session_id}-{user}"})
        open_target(known, JOIN, soon()).close(0)
        assert server.requests[0].startswith(b"GET /s%201-3 ")
        with pytest.raises(UsageError, match=r"\{room\} is none of \{session_id\}, \{after\}"):
            open_target(replace(adapter, values=lambda *_: {}), JOIN, soon())
        with pytest.raises(UsageError, match=r"target\.yaml: values\(\) raised ZeroDivisionError"):
            open_target(replace(adapter, values=lambda *_: 1 / 0), JOIN, soon())
