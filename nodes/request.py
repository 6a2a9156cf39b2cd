"""What a client asks for in its connect URL: `/ws/{session_id}?field=value&...`."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.nodes.options import MAX_WORK_MS, NodeOptions, Number

PREFIX = "/ws/"
MAX_SEQ = 2**31 - 1
_MAX_ID = 2**63 - 1
_MAX_NAME_LENGTH = 128
_FIELDS = ("ordering", "user_id", "connection_id", "after_seq", "work_ms")


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A checked connect URL. `connection_id` is None where the node is to draw one."""

    session_id: str
    ordering: ConnectOrdering
    user_id: str
    connection_id: int | None
    after_seq: int
    work_ms: float


def parse_request(target: str, options: NodeOptions) -> JoinRequest:
    """The join that a request target asks for.

    Raises UsageError, one line that names the field and what it may be.
    """
    parts = urlsplit(target)
    try:
        pairs = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), max_num_fields=16
        )
    except ValueError as error:
        raise UsageError(f"query: {error}") from error
    fields = dict(pairs)
    for name in fields:
        if name not in _FIELDS:
            raise UsageError(f"{_shown(name)}: no such field; there are {', '.join(_FIELDS)}")
    if len(fields) < len(pairs):
        raise UsageError("query: a field is given twice")
    connection_id = fields.get("connection_id")
    return JoinRequest(
        session_id=_name("session_id", unquote(parts.path.removeprefix(PREFIX))),
        ordering=_ordering(fields.get("ordering", options.connect), options),
        user_id=_name("user_id", fields.get("user_id", "anonymous")),
        connection_id=None
        if connection_id is None
        else _number("connection_id", connection_id, int, _MAX_ID),
        after_seq=_number("after_seq", fields.get("after_seq", "0"), int, MAX_SEQ),
        work_ms=_number(
            "work_ms", fields.get("work_ms", str(options.node_work_ms)), float, MAX_WORK_MS
        ),
    )


def _name(field: str, value: str) -> str:
    if not 1 <= len(value) <= _MAX_NAME_LENGTH or not value.isprintable() or "/" in value:
        allowed = f"1 to {_MAX_NAME_LENGTH} printable characters without /"
        raise UsageError(f"{field}: {_shown(value)} is not {allowed}")
    return value


def _ordering(name: str, options: NodeOptions) -> ConnectOrdering:
    if name not in options.orderings:
        raise UsageError(f"ordering: {_shown(name)} is none of {', '.join(options.orderings)}")
    return options.orderings[name]


def _number(field: str, value: str, kind: Callable[[str], Number], high: int) -> Number:
    try:
        number = kind(value)
    except ValueError:
        number = kind("-1")
    if not 0 <= number <= high:  # also refuses nan
        raise UsageError(f"{field}: {_shown(value)} is not 0 to {high}")
    return number


def _shown(value: str) -> str:
    """Short and printable, however it came."""
    return ascii(value[:40])
