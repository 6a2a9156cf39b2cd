"""Bad inputs for a node, drawn from a seed: the same seed gives the same bytes. No I/O.

An `Attack` is what one connection sends. Most carry several bad inputs: frames that must be refused
and leave the connection open, then one that must end it.

>>> for attack in attacks(seed=1, sessions=("a", "b")):
...     send(attack.pieces)
"""

import json
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

ORDERINGS = (
    "history_then_subscribe",
    "subscribe_then_history",
    "sequence_gap_fill",
    "buffered_merge",
    "redis_streams",
)
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MOST_REFUSED = 8
"""Refused frames of one connection: fewer than a node takes before it closes."""
HUGE = (2**31, 2**53, 2**63, 2**64, 10**30, -1, -(2**63))
TEXT, BINARY, CLOSE, PING, PONG, CONT = 1, 2, 8, 9, 10, 0


class End(Enum):
    """How an attack ends."""

    NODE = "the node must end it"
    RESET = "it vanishes, with a reset"
    LINGER = "it is left as it is, until the round is over"


@dataclass(frozen=True, slots=True)
class Attack:
    """One connection's bytes. `session` is the one it joins, None where it must not get so far.

    `opening` are pieces of the handshake, whose answer is awaited before `pieces` are sent if
    `waits`. `inputs` counts the bad ones.
    """

    kind: str
    inputs: int
    session: str | None
    opening: tuple[bytes, ...]
    pieces: tuple[bytes, ...] = ()
    end: End = End.NODE
    waits: bool = True


def attacks(seed: int, sessions: Sequence[str]) -> Iterator[Attack]:
    """Attacks without end; those that join do so in one of `sessions`."""
    rng = random.Random(seed)
    kinds, weights = zip(*((kind, weight) for kind, weight in KINDS.items()), strict=True)
    while True:
        [kind] = rng.choices(kinds, weights)
        yield kind(rng, rng.choice(sessions))


# --- frames ---


def frame(
    opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, mask: bytes | None = b"mask"
) -> bytes:
    """A client's frame (RFC 6455, section 5.2), as wrong as it is asked for."""
    first = fin << 7 | rsv << 4 | opcode
    masked = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, masked | len(payload))
    elif len(payload) < 65_536:
        head = struct.pack("!BBH", first, masked | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, masked | 127, len(payload))
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """A close frame; None: without a code."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def handshake(session: str, query: str = "") -> bytes:
    """A right opening handshake."""
    return (
        f"GET /ws/{quote(session, safe='')}?{query} HTTP/1.1\r\nHost: localhost\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY.decode()}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def _nested(rng: random.Random) -> str:
    depth = rng.choice((10, 300, 1_300))
    return rng.choice(("[" * depth, "[" * depth + "]" * depth, '{"a":' * (depth // 2)))


def _wrong_type(rng: random.Random) -> str:
    value = rng.choice((None, "1", 1.5, True, [], {}, [1], {"a": 1}, "x" * 500, 1e300))
    field = rng.choice(("from_seq", "to_seq", "type"))
    return json.dumps({"type": "fetch", "from_seq": 1, "to_seq": 2} | {field: value})


def _out_of_bounds(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return json.dumps({"type": "resume", "after_seq": rng.choice(HUGE)})
    low, high = rng.choice(((0, 1), (3, 2), (1, 10_001), (1, rng.choice(HUGE))))
    return json.dumps({"type": "fetch", "from_seq": low, "to_seq": high})


def _garbage(rng: random.Random) -> str:
    letters = '{}[]":,0123456789.eE+-\\utf nulltruefalse\x00\x1b\t\u2028\U0001f600'
    return "".join(rng.choices(letters, k=rng.randrange(80)))


def _cut_off(rng: random.Random) -> str:
    whole = '{"type":"fetch","from_seq":1,"to_seq":2}'
    return whole[: rng.randrange(len(whole))]


def _not_for_a_node(rng: random.Random) -> str:
    kind = rng.choice(("chunk", "history", "welcome", "heartbeat", "error", "subscribe", ""))
    return json.dumps({"type": kind, "session_id": "other", "messages": [], "seq": 1})


WORDS: tuple[Callable[[random.Random], str], ...] = (
    _nested,
    _wrong_type,
    _out_of_bounds,
    _garbage,
    _cut_off,
    _not_for_a_node,
)
"""JSON that is none, or not what a client may say."""


def _refused(rng: random.Random) -> bytes:
    """A message that must be refused and leave the connection open, whole or in fragments."""
    payload = rng.choice(WORDS)(rng).encode()
    mask = rng.randbytes(4)
    if rng.random() < 0.7:
        return frame(TEXT, payload, mask=mask)
    cuts = sorted(rng.choices(range(len(payload) + 1), k=rng.randrange(1, 4)))
    parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    sent = [frame(TEXT, parts[0], fin=False, mask=mask)]
    for part in parts[1:-1]:
        sent.append(frame(CONT, part, fin=False, mask=mask))
        sent.append(frame(rng.choice((PING, PONG)), rng.randbytes(rng.randrange(126))))
    return b"".join([*sent, frame(CONT, parts[-1], mask=mask)])


NOT_UTF_8 = (
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xce\xba\xe1",
    b"ok \x80",
    b'{"type":"\xfe"}',
)
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)


def _reserved(rng: random.Random) -> bytes:
    return frame(rng.choice((TEXT, CONT, PING)), b"x", rsv=rng.randrange(1, 8))


def _unknown_opcode(rng: random.Random) -> bytes:
    return frame(rng.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15)), rng.randbytes(rng.randrange(9)))


def _unmasked(rng: random.Random) -> bytes:
    return frame(rng.choice((TEXT, PING, CLOSE)), b"", mask=None) + rng.randbytes(3)


def _bad_control(rng: random.Random) -> bytes:
    opcode = rng.choice((PING, PONG, CLOSE))
    if rng.random() < 0.5:
        return frame(opcode, b"", fin=False)
    return frame(opcode, bytes(rng.randrange(126, 4_000)))


def _bad_fragments(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return frame(CONT, b"of nothing", fin=rng.random() < 0.5)
    return frame(TEXT, b"{", fin=False) + frame(rng.choice((TEXT, BINARY)), b"}")


def _bad_text(rng: random.Random) -> bytes:
    wrong = rng.choice(NOT_UTF_8)
    if rng.random() < 0.5:
        return frame(TEXT, wrong)
    at = rng.randrange(len(wrong))
    return frame(TEXT, wrong[:at], fin=False) + frame(CONT, wrong[at:])


def _oversized(rng: random.Random) -> bytes:
    if rng.random() < 0.3:  # together too long, each part within bounds
        return b"".join(frame(TEXT if i == 0 else CONT, bytes(2_000), fin=False) for i in range(4))
    length = rng.choice((4_097, 65_535, 2**20, 2**31, 2**62, 2**63, 2**64 - 1))
    head = struct.pack("!BBQ", 0x81, 0xFF, length)
    return head + rng.randbytes(4 + rng.randrange(100))


def _binary(rng: random.Random) -> bytes:
    return frame(BINARY, rng.randbytes(rng.randrange(200)))


def _bad_close(rng: random.Random) -> bytes:
    return rng.choice(
        (
            close(rng.choice(BAD_CODES)),
            frame(CLOSE, b"\x03"),
            close(1000, rng.choice(NOT_UTF_8)),
        )
    )


def _after_close(rng: random.Random) -> bytes:
    return close() + b"".join(_refused(rng) for _ in range(3)) + close() * rng.randrange(1, 20)


FATAL: tuple[Callable[[random.Random], bytes], ...] = (
    _reserved,
    _unknown_opcode,
    _unmasked,
    _bad_control,
    _bad_fragments,
    _bad_text,
    _oversized,
    _binary,
    _bad_close,
    _after_close,
)
"""Frames after which a node must close."""


# --- what is no handshake ---

HEADERS = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY.decode(),
    "Sec-WebSocket-Version": "13",
}
WRONG_HEADERS = (
    ("Upgrade", None),
    ("Upgrade", "h2c"),
    ("Connection", "close"),
    ("Sec-WebSocket-Key", None),
    ("Sec-WebSocket-Key", "c2hvcnQ="),
    ("Sec-WebSocket-Key", "no base 64 at all!!!!!!!"),
    ("Sec-WebSocket-Version", None),
    ("Sec-WebSocket-Version", "12"),
    ("Sec-WebSocket-Version", "thirteen"),
    ("Transfer-Encoding", "chunked"),
    ("Content-Length", "5"),
    ("Content-Length", "-1"),
    ("Content-Length", "1" * 40),
)
WRONG_SESSIONS = (
    "",
    "/",
    "a/b",
    "..%2f..%2fetc",
    "%00",
    "%0d%0aSET%20x%201",
    "%7f",
    "%1b[31m",
    "x" * 129,
    "%e2%80%a8",
)
WRONG_QUERIES = (
    "after_seq=-1",
    "after_seq=99999999999999999999",
    "after_seq=1e9",
    "after_seq=",
    "work_ms=nan",
    "work_ms=inf",
    "work_ms=-1",
    "connection_id=-5",
    "connection_id=9223372036854775808",
    "ordering=none",
    "ordering=../../x.py:f",
    "ordering=%00",
    "after_seq=1&after_seq=2",
    "unknown=1",
    "&&&&",
    "=",
    "user_id=" + "u" * 200,
    "user_id=%0a",
    "&".join(f"f{i}=1" for i in range(40)),
)


def _request(line: str, headers: dict[str, str] | None = None) -> bytes:
    fields = HEADERS if headers is None else headers
    text = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{line}\r\n{text}\r\n".encode("utf-8", "surrogateescape")


def _wrong_header(rng: random.Random) -> bytes:
    name, value = rng.choice(WRONG_HEADERS)
    fields = HEADERS | ({} if value is None else {name: value})
    if value is None:
        del fields[name]
    return _request("GET /ws/s HTTP/1.1", fields)


def _wrong_line(rng: random.Random) -> bytes:
    method = rng.choice(("POST", "PUT", "HEAD", "CONNECT", "get", "", "G\x00T", "GET " * 50))
    version = rng.choice(("HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "", "HTTPS/1.1", "\x00"))
    return _request(f"{method} /ws/s {version}")


def _wrong_path(rng: random.Random) -> bytes:
    path = rng.choice(("/", "/ws", "/ws/", "//ws/s", "*", "/healthz/x", "http://[::1", "/" * 9_000))
    return _request(f"GET {path} HTTP/1.1")


def _wrong_session(rng: random.Random) -> bytes:
    return _request(f"GET /ws/{rng.choice(WRONG_SESSIONS)} HTTP/1.1")


def _wrong_query(rng: random.Random) -> bytes:
    return _request(f"GET /ws/s?{rng.choice(WRONG_QUERIES)} HTTP/1.1")


def _too_much(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return _request("GET /ws/s HTTP/1.1", {f"X-{i}": "y" for i in range(200)})
    return _request("GET /ws/s HTTP/1.1", HEADERS | {"Cookie": "c" * 20_000})


def _no_http(rng: random.Random) -> bytes:
    return rng.choice(
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200),  # TLS
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"\r\n\r\n\r\n\r\n",
            b"\x00" * rng.randrange(1, 500),
            rng.randbytes(rng.randrange(1, 2_000)) + b"\r\n\r\n",
            b"GET /ws/s HTTP/1.1\nHost: localhost\n\n",
            b"GET /ws/s HTTP/1.1\r\n folded: header\r\n\r\n",
            b"GET /ws/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
    )


REQUESTS: tuple[Callable[[random.Random], bytes], ...] = (
    _wrong_header,
    _wrong_line,
    _wrong_path,
    _wrong_session,
    _wrong_query,
    _too_much,
    _no_http,
)


# --- attacks ---


def _handshake(rng: random.Random, session: str) -> bytes:
    after_seq = rng.choice((0, 1, 2**31 - 1, 2**31 - 1))
    return handshake(session, f"ordering={rng.choice(ORDERINGS)}&after_seq={after_seq}")


def _pieces(rng: random.Random, sent: bytes, often: float = 0.2) -> tuple[bytes, ...]:
    """As one write, or cut anywhere: a frame's border is no border of what arrives."""
    if rng.random() >= often:
        return (sent,)
    cuts = sorted(rng.choices(range(len(sent)), k=rng.randrange(1, 5)))
    return tuple(sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True))


def bad_frames(rng: random.Random, session: str) -> Attack:
    """Frames that are refused, then one that ends the connection."""
    refused = [_refused(rng) for _ in range(rng.randrange(MOST_REFUSED + 1))]
    pieces = _pieces(rng, b"".join([*refused, rng.choice(FATAL)(rng)]))
    opening = (_handshake(rng, session),)
    waits = rng.random() < 0.9  # else all of it comes before the handshake is answered
    return Attack("bad frames", len(refused) + 1, session, opening, pieces, waits=waits)


def too_many(rng: random.Random, session: str) -> Attack:
    """One refused frame after another: the node loses patience."""
    refused = [_refused(rng) for _ in range(20)]
    pieces = _pieces(rng, b"".join(refused))
    return Attack("too many refused", len(refused), session, (_handshake(rng, session),), pieces)


def deaf(rng: random.Random, session: str) -> Attack:
    """A frame that ends the connection, sent by one who hears no close frame and stays."""
    opening, fatal = (_handshake(rng, session),), (rng.choice(FATAL)(rng),)
    return Attack("deaf to a close", 1, session, opening, fatal, End.LINGER)


def bad_request(rng: random.Random, session: str) -> Attack:
    """A request that is no right handshake."""
    return Attack("bad requests", 1, None, _pieces(rng, rng.choice(REQUESTS)(rng)))


def slow_handshake(rng: random.Random, session: str) -> Attack:
    """A handshake in many small pieces, then a frame that ends the connection."""
    sent = _handshake(rng, session)
    size = rng.randrange(8, 40)
    opening = tuple(sent[at : at + size] for at in range(0, len(sent), size))
    return Attack("slow handshakes", 2, session, opening, (rng.choice(FATAL)(rng),))


def half_handshake(rng: random.Random, session: str) -> Attack:
    """The beginning of a handshake, and then nothing."""
    sent = _handshake(rng, session)
    return Attack("half handshakes", 1, None, (sent[: rng.randrange(len(sent))],), (), End.LINGER)


def vanish(rng: random.Random, session: str) -> Attack:
    """Gone in the middle of a handshake, of a join, or of a frame."""
    opening, frames = _handshake(rng, session), _refused(rng) + _refused(rng)
    if rng.random() < 0.3:
        return Attack("vanished", 1, None, (opening[: rng.randrange(len(opening))],), (), End.RESET)
    cut = (frames[: rng.randrange(len(frames))],)
    waits = rng.random() < 0.5
    return Attack("vanished", 1, session, (opening,), cut, End.RESET, waits)


def close_storm(rng: random.Random, session: str) -> Attack:
    """Closed, again and again, straight after the handshake: before the join is complete."""
    storm = close(rng.choice((None, 1000, 1001, 3000))) * 5
    end, waits = rng.choice((End.NODE, End.RESET)), rng.random() < 0.5
    return Attack("close storms", 5, session, (_handshake(rng, session),), (storm,), end, waits)


def refused_and_on(rng: random.Random, session: str) -> Attack:
    """Frames in one piece with a handshake that is refused: they end it before it is answered."""
    foreign = _handshake(rng, session).replace(b"Host: localhost", b"Host: elsewhere")
    frames = rng.choice((close(), close(1002), frame(PING, mask=None), frame(CONT, b"x")))
    return Attack("refused and on", 2, None, (foreign + frames,))


KINDS: dict[Callable[[random.Random, str], Attack], int] = {
    bad_frames: 55,
    refused_and_on: 5,
    too_many: 6,
    deaf: 1,
    bad_request: 19,
    slow_handshake: 1,
    half_handshake: 1,
    vanish: 6,
    close_storm: 6,
}
"""Each kind of attack, and how often of a hundred."""
