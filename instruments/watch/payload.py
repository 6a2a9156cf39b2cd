"""Which chunk a payload is, as far as it can be known without knowing the system.

What was saved and what was published are one chunk when they name the same `message_id` and
`index` in JSON, as chunk7's own do, and else when they are the same bytes. Only a fingerprint is
kept: a watched store may say things that are nobody's business.
"""

import hashlib
from dataclasses import dataclass

import msgspec

from chunk7.delivery.chunk import digest


class _Named(msgspec.Struct):
    """What a payload may say of itself; all else in it is skipped."""

    message_id: str
    index: int
    seq: int | None = None
    text: str | None = None
    final: bool = False


_decode = msgspec.json.Decoder(_Named).decode


@dataclass(frozen=True, slots=True)
class Payload:
    """`key` is equal for equal chunks. What the payload does not say of itself is None."""

    key: bytes
    message_id: str | None = None
    index: int | None = None
    seq: int | None = None
    digest: int | None = None
    final: bool | None = None


def payload_of(data: bytes) -> Payload:
    """Look into a payload."""
    if data[:1] == b"{":
        try:
            named = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Payload(_fingerprint(data))
        key = _fingerprint(f"{named.index} {named.message_id}".encode())
        content = None
        if named.text is not None:
            content = digest(named.message_id, named.index, named.text, named.final)
        return Payload(key, named.message_id, named.index, named.seq, content, named.final)
    return Payload(_fingerprint(data))


def _fingerprint(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=12).digest()
