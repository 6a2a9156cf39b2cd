"""A user's side of a target: join it, ask it for an answer. Everything by the adapter."""

from importlib import import_module
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.targets import sse
from chunk7.loadtest.targets.adapter import Adapter, FinishedAnswer
from chunk7.loadtest.targets.errors import WrongAnswer
from chunk7.loadtest.targets.http import Request, fetch
from chunk7.loadtest.targets.paths import Message, compile_path
from chunk7.loadtest.targets.transport import Opening, TargetConnection, Transport, as_bytes
from chunk7.loadtest.targets.transports import BY_FRAMING, BY_SCHEME
from chunk7.wire.templates import fill, fill_text, fill_url


class TargetJoin(msgspec.Struct, frozen=True):
    """Who joins what. `after`: what a client that comes back has, as its last frames told it."""

    session_id: str
    user: int
    connection_id: int
    after: str | int | None = None


def open_target(adapter: Adapter, place: TargetJoin, deadline_s: float) -> TargetConnection:
    """Open a connection until `deadline_s`, an instant of `time.monotonic()`.

    Raises TargetError: ConnectFailed, Refused, TimedOut, or Closed if the server ends it before
    the first messages are sent; UsageError for a placeholder that is none.
    """
    values = _values(adapter, place)
    headers = _headers(adapter, "headers", adapter.headers, values)
    if adapter.cookies:
        cookies = _headers(adapter, "cookies", adapter.cookies, values)
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    resume = adapter.resume
    if place.after is not None and resume is not None and resume.by == "last_event_id":
        headers["Last-Event-ID"] = str(place.after)
    opening = Opening(
        url=fill_url(adapter.url, values),
        method=adapter.method,
        headers=headers,
        body=fill(adapter.body, values),
        send=fill(adapter.send, values),
        subprotocols=adapter.subprotocols,
        tls=adapter.tls,
        after=place.after if resume is not None and resume.by == "frame" else None,
    )
    return _transport(adapter)(opening, deadline_s)


def request_once(adapter: Adapter, place: TargetJoin, deadline_s: float) -> Any:
    """Ask the target for an answer (`ask`): the JSON it answers with, None if that is empty.

    Raises as `open_target`; WrongAnswer if it is no JSON although `ask.session_id` needs it.
    """
    ask = adapter.ask
    assert ask is not None, "only an adapter with ask is asked"
    body = _body_of_request(adapter, place, deadline_s)
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError as error:
        if ask.session_id is None:
            return None
        line = body[:200].decode(errors="replace")
        raise WrongAnswer(f"ask: the answer is no JSON, so it has no session_id: {line}") from error


def session_of(adapter: Adapter, place: TargetJoin, answer: Any) -> str:
    """The session that the answer to `request_once` names, or the place's own."""
    assert adapter.ask is not None, "only an adapter with ask is asked"
    path = adapter.ask.session_id
    if path is None:
        return place.session_id
    found = compile_path(path)(answer, Message(""))
    if type(found) not in (str, int) or found == "":
        line = msgspec.json.encode(answer)[:200].decode(errors="replace")
        raise WrongAnswer(f"ask.session_id: no session at {path} in {line}")
    return str(found)


def open_request(adapter: Adapter, place: TargetJoin, deadline_s: float) -> TargetConnection:
    """Ask the target for an answer that its response streams (`ask.reference: request`)."""
    assert adapter.ask is not None, "only an adapter with ask is asked"
    ask, values = adapter.ask, _values(adapter, place)
    opening = Opening(
        url=fill_url(ask.url, values),
        method=ask.method,
        headers=_headers(adapter, "ask.headers", ask.headers, values),
        body=fill(ask.body, values),
        send=[],
        subprotocols=(),
        tls=adapter.tls,
        after=None,
    )
    return sse.open_connection(opening, deadline_s)


def fetch_finished(adapter: Adapter, place: TargetJoin, deadline_s: float) -> str:
    """The finished answer's text (`ask.reference: {url, text}`). Raises as `open_target`."""
    assert adapter.ask is not None, "only an adapter with ask is asked"
    reference = adapter.ask.reference
    assert isinstance(reference, FinishedAnswer), "only a reference with a URL is fetched"
    values = _values(adapter, place)
    headers = _headers(adapter, "ask.headers", adapter.ask.headers, values)
    url = fill_url(reference.url, values)
    response = fetch(Request(url, headers=headers, tls=adapter.tls), deadline_s)
    try:
        body = response.read_all(deadline_s)
    finally:
        response.close()
    try:
        text = compile_path(reference.text)(msgspec.json.decode(body), Message(""))
    except msgspec.DecodeError as error:
        raise WrongAnswer(f"ask.reference.url: no JSON from {url}: {error}") from error
    if not isinstance(text, str):
        line = body[:200].decode(errors="replace")
        raise WrongAnswer(f"ask.reference.text: no text at {reference.text} in {line}")
    return text


def _transport(adapter: Adapter) -> Transport:
    module = BY_FRAMING.get(adapter.framing) or BY_SCHEME[urlsplit(adapter.url).scheme]
    found = import_module(f"chunk7.loadtest.targets.{module}").open_connection
    return cast(Transport, found)


def _body_of_request(adapter: Adapter, place: TargetJoin, deadline_s: float) -> bytes:
    assert adapter.ask is not None, "only an adapter with ask is asked"
    ask, values = adapter.ask, _values(adapter, place)
    headers = _headers(adapter, "ask.headers", ask.headers, values)
    filled = fill(ask.body, values)
    if filled is not None and not isinstance(filled, str):
        headers = {"Content-Type": "application/json"} | headers
    body = None if ask.method == "GET" else b"" if filled is None else as_bytes(filled)
    request = Request(fill_url(ask.url, values), ask.method, headers, body, adapter.tls)
    response = fetch(request, deadline_s)
    try:
        return response.read_all(deadline_s)
    finally:
        response.close()


def _headers(
    adapter: Adapter, place: str, headers: dict[str, str], values: dict[str, Any]
) -> dict[str, str]:
    """Filled in. Raises UsageError for a line break, such as a key out of a file may end in."""
    filled = {name: fill_text(value, values) for name, value in headers.items()}
    for name, value in filled.items():
        if any(character < " " and character != "\t" for character in value):
            raise UsageError(f"{adapter.file}: {place}.{name}: a line break, or another control")
    return filled


def _values(adapter: Adapter, place: TargetJoin) -> dict[str, Any]:
    """What placeholders stand for. Raises UsageError if the adapter's own function fails."""
    values: dict[str, Any] = {
        "session_id": place.session_id,
        "after": adapter.first_after if place.after is None else place.after,
        "user": place.user,
        "connection_id": place.connection_id,
    }
    if adapter.values is None:
        return values
    try:
        return values | adapter.values(place.session_id, place.user)
    except Exception as error:
        line = f"values() raised {type(error).__name__}: {error}"
        raise UsageError(f"{adapter.file}: {line}") from error
