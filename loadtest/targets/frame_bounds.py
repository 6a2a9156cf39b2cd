"""Where a WebSocket frame begins and ends (RFC 6455, 5.2). No I/O.

For who takes the plainest frames out of the stream and leaves all others to a protocol's
implementation, which must be given whole frames for that, or the rest of one.
"""

WHOLE_TEXT = 0x81
"""First byte of a frame that is a text message of its own, without extensions."""
MASKED = 0x80
"""In the second byte: what a client sends, and no server may."""
_LENGTH_16, _LENGTH_64 = 126, 127


def frame_at(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame that begins at `at` begins, and where it ends.

    It may end behind `data`. None: not even its head is all there.
    """
    have = len(data) - at
    if have < 2:
        return None
    length, begins = data[at + 1], at + 2
    if length >= MASKED:
        length, begins = length - MASKED, begins + 4
    if length == _LENGTH_16:
        if have < 4:
            return None
        return begins + 2, begins + 2 + int.from_bytes(data[at + 2 : at + 4])
    if length == _LENGTH_64:
        if have < 10:
            return None
        return begins + 8, begins + 8 + int.from_bytes(data[at + 2 : at + 10])
    return begins, begins + length
