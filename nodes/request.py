"""What a client asks for in its connect URL: `/ws/{session_id}?field=value&...`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.nodes.options import MAX_WORK_MS, NodeOptions, Number
from chunk7.wire.session_ids import ALLOWED, is_session_id

PREFIX = "/ws/"
MAX_SEQ = 2**31 - 1
_MAX_ID = 2**63 - 1
_MAX_NAME_LENGTH = 128
_FIELDS = ("ordering", "user_id", "connection_id", "after_seq", "epoch", "work_ms", "token")
_EPOCH = re.compile(r"[A-Za-z0-9]{1,64}")
_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)
_TARGET = re.compile(r"[!-\"$-~]*")
"""A request target is visible ASCII without `#` (RFC 9112, section 3.2). What is none is refused as
it stands: `urlsplit` drops TAB, CR and LF, so `/ws/secret<TAB>` once joined `secret`."""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A checked connect URL. `connection_id` is None where the node is to draw one."""

    session_id: str
    ordering: ConnectOrdering
    user_id: str
    connection_id: int | None
    after_seq: int
    work_ms: float
    epoch: str | None = None
    """What `after_seq` is of; None: the client does not say."""
    token: str | None = field(default=None, repr=False)
    """As it was given; nobody has looked at it yet."""


def parse_request(
    target: str, options: NodeOptions, authorization: str | None = None
) -> JoinRequest:
    """The join that a request target asks for; `authorization` is the header of that name.

    Raises UsageError, one line that names the field and what it may be.
    """
    if not _TARGET.fullmatch(target):
        raise UsageError(f"path: {_shown(target)} has what must be percent-encoded")
    path, _, query = target.partition("?")
    try:
        session_id = unquote(path.removeprefix(PREFIX), errors="strict")
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=16,
        )
    except UnicodeDecodeError as error:
        raise UsageError(f"path: {_shown(target)} is not UTF-8, percent-encoded") from error
    except ValueError as error:
        raise UsageError(f"query: {_shown(str(error))}") from error
    fields = dict(pairs)
    for name in fields:
        if name not in _FIELDS:
            raise UsageError(f"{_shown(name)}: no such field; there are {', '.join(_FIELDS)}")
    if len(fields) < len(pairs):
        raise UsageError("query: a field is given twice")
    connection_id = fields.get("connection_id")
    bearer = _BEARER.fullmatch(authorization or "")
    return JoinRequest(
        session_id=_session_id(session_id),
        ordering=_ordering(fields.get("ordering", options.connect), options),
        user_id=_name("user_id", fields.get("user_id", "anonymous")),
        connection_id=None
        if connection_id is None
        else _number("connection_id", connection_id, int, _MAX_ID),
        after_seq=_number("after_seq", fields.get("after_seq", "0"), int, MAX_SEQ),
        epoch=_epoch(fields.get("epoch")),
        work_ms=_number(
            "work_ms", fields.get("work_ms", str(options.node_work_ms)), float, MAX_WORK_MS
        ),
        token=bearer[1]
        if (bearer := _BEARER.fullmatch(authorization or ""))
        else fields.get("token"),
    )


def _session_id(value: str) -> str:
    if not is_session_id(value):
        raise UsageError(f"session_id: {_shown(value)} is not {ALLOWED}")
    return value


def _name(field: str, value: str) -> str:
    if not 1 <= len(value) <= _MAX_NAME_LENGTH or not value.isprintable() or "/" in value:
        allowed = f"1 to {_MAX_NAME_LENGTH} printable characters without /"
        raise UsageError(f"{field}: {_shown(value)} is not {allowed}")
    return value


def _epoch(value: str | None) -> str | None:
    if value is not None and not _EPOCH.fullmatch(value):
        raise UsageError(f"epoch: {_shown(value)} is not 1 to 64 letters and digits")
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
