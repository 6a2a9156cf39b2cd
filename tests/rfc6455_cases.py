"""The essential cases of RFC 6455 as a table: what a peer sends, and how an end must answer.

Asked of both ends: tests/nodes/test_rfc6455_node.py and tests/loadtest/test_rfc6455_client.py.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bad_inputs import BAD_CODES, BINARY, CLOSE, CONT, NOT_UTF_8, PING, PONG, TEXT, frame

MESSAGE = b'{"type":"resume","after_seq":0}'
"""A message that a node understands; in RIGHT each case makes this one, and only this one."""
SPOKEN = '{"type":"\u00e9\u4e16\U0001f600"}'.encode()
"""Of one, two, three and four bytes a character."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame that the peer sends; `masked` None: as its side must."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    masked: bool | None = None

    def of(self, client: bool) -> bytes:
        """The bytes, from a client or from a server."""
        masked = client if self.masked is None else client is self.masked
        return frame(
            self.opcode, self.payload, self.fin, self.rsv, b"\x37\xfa\x21\x3d" * masked or None
        )


def _code(code: int, reason: bytes = b"") -> Sent:
    return Sent(CLOSE, struct.pack("!H", code) + reason)


def _pieces(payload: bytes, size: int, between: Sent | None = None) -> tuple[Sent, ...]:
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    frames: list[Sent] = []
    for number, part in enumerate(parts):
        frames.append(Sent(CONT if number else TEXT, part, fin=number == len(parts) - 1))
        if between is not None and number < len(parts) - 1:
            frames.append(between)
    return tuple(frames)


RIGHT: dict[str, tuple[Sent, ...]] = {
    "5.6 a whole message": (Sent(TEXT, MESSAGE),),
    "5.4 two fragments": _pieces(MESSAGE, 16),
    "5.4 a byte a fragment": _pieces(MESSAGE, 1),
    "5.4 an empty first fragment": (Sent(TEXT, fin=False), Sent(CONT, MESSAGE)),
    "5.4 an empty last fragment": (Sent(TEXT, MESSAGE, fin=False), Sent(CONT)),
    "5.4 a pong among fragments": _pieces(MESSAGE, 16, between=Sent(PONG, b"nobody asked")),
    "5.5.3 a pong that nobody asked for": (Sent(PONG), Sent(TEXT, MESSAGE)),
}
"""What is one MESSAGE to either end."""

PINGS: dict[str, tuple[Sent, ...]] = {
    "5.5.2 a ping": (Sent(PING, b"ping"),),
    "5.5.2 a ping among fragments": (
        Sent(TEXT, MESSAGE[:9], fin=False),
        Sent(PING, b"ping"),
        Sent(CONT, MESSAGE[9:]),
    ),
}
"""What is answered with a pong of the same bytes."""

FATAL: dict[str, tuple[tuple[Sent, ...], int]] = {
    **{
        f"5.2 reserved bits {rsv:03b}": ((Sent(TEXT, b"{}", rsv=rsv),), 1002) for rsv in range(1, 8)
    },
    **{
        f"5.2 reserved opcode {opcode}": ((Sent(opcode, b"x"),), 1002)
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    },
    "5.1 masked as the other side must": ((Sent(TEXT, b"{}", masked=False),), 1002),
    "5.4 a continuation of nothing": ((Sent(CONT, b"{}"),), 1002),
    "5.4 a continuation of a whole message": ((Sent(TEXT, MESSAGE), Sent(CONT, b"{}")), 1002),
    "5.4 a message within a message": ((Sent(TEXT, b"{", fin=False), Sent(TEXT, b"}")), 1002),
    **{
        f"5.5 control frame {opcode} in fragments": ((Sent(opcode, fin=False),), 1002)
        for opcode in (CLOSE, PING, PONG)
    },
    **{
        f"5.5 control frame {opcode} of 126 bytes": ((Sent(opcode, bytes(126)),), 1002)
        for opcode in (CLOSE, PING, PONG)
    },
    **{f"8.1 text {wrong!r}": ((Sent(TEXT, wrong),), 1007) for wrong in NOT_UTF_8},
    **{f"8.1 text {wrong!r} in fragments": (_pieces(wrong, 1), 1007) for wrong in NOT_UTF_8[1:]},
    "7.1.6 a reason that is not UTF-8": ((_code(1000, b"\xff"),), 1007),
    "5.5.1 half a close code": ((Sent(CLOSE, b"\x03"),), 1002),
    **{f"7.4 close code {code}": ((_code(code),), 1002) for code in BAD_CODES},
}
"""What must end the connection, and with which code."""

GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
CLOSES: dict[str, tuple[Sent, int | None]] = {
    **{f"7.4 close code {code}": (_code(code, b"why"), code) for code in GOOD_CODES},
    "7.1.5 no code": (Sent(CLOSE), None),
}
"""What is answered with a close frame of the same code."""


def close_code(payload: bytes) -> int | None:
    """Of a close frame's payload."""
    return int.from_bytes(payload[:2]) if payload else None


def frames_of(read: Callable[[int], bytes]) -> list[tuple[int, bytes]]:
    """(opcode, payload) of all frames up to a close frame or the end; `read(n)` gives n bytes."""
    frames: list[tuple[int, bytes]] = []
    while len(head := read(2)) == 2:
        length = head[1] & 0x7F
        if length >= 126:
            length = int.from_bytes(read(2 if length == 126 else 8))
        mask = read(4) if head[1] & 0x80 else b"\x00"
        payload = bytes(byte ^ mask[i % len(mask)] for i, byte in enumerate(read(length)))
        frames.append((head[0] & 0x0F, payload))
        if frames[-1][0] == CLOSE:
            break
    return frames


__all__ = ["BINARY", "CLOSE", "CLOSES", "FATAL", "PINGS", "PONG", "RIGHT", "TEXT", "Sent"]
