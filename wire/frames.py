"""The frames between node and client, and the chunk's JSON. `docs/protocol.md` explains them.

A chunk is encoded once, by the producer. The same bytes are the Pub/Sub payload, the history
list's item and the client's frame: a node forwards them without looking inside. Therefore the
payload already carries `"type": "chunk"`, and `seq` is its last field, so that the Lua script,
which alone knows the number, can put it in without a JSON library.
"""

from collections.abc import Iterable, Iterator

import msgspec

from chunk7.delivery.chunk import Chunk

HISTORY_PIECE_BYTES = 32_768


class ChunkFrame(msgspec.Struct, frozen=True, tag="chunk", gc=False):
    """One live chunk, and each item of a history frame. `seq` stays last: see `split_at_seq`."""

    session_id: str
    message_id: str
    index: int
    text: str
    final: bool
    seq: int


class HistoryFrame(msgspec.Struct, frozen=True, tag="history"):
    """Saved chunks: on joining, and as the answer to a fetch."""

    messages: list[ChunkFrame]


class WelcomeFrame(msgspec.Struct, frozen=True, tag="welcome"):
    """The join is complete. `head_seq` and the `epoch` that it is of are null where the ordering
    does not read the head.

    When the history was read and the subscription took effect, in ms after the join began; null
    where there was none. Their difference is the node's estimate of the risk window.
    """

    node: str
    ordering: str
    head_seq: int | None = None
    read_ms: float | None = None
    subscribed_ms: float | None = None
    epoch: str | None = None


class HeartbeatFrame(msgspec.Struct, frozen=True, tag="heartbeat"):
    """The session's counter, as the node last read it, and the epoch that its numbers are of."""

    head_seq: int
    epoch: str | None = None


class ErrorFrame(msgspec.Struct, frozen=True, tag="error"):
    """Something the client should know; `code` is one of docs/protocol.md's."""

    code: str
    reason: str


class FetchFrame(msgspec.Struct, frozen=True, tag="fetch"):
    """Client to node: send what history has of from_seq..to_seq, both inclusive."""

    from_seq: int
    to_seq: int


class ResumeFrame(msgspec.Struct, frozen=True, tag="resume"):
    """Client to node: the same as `after_seq` on the connect URL, as a frame."""

    after_seq: int


ServerFrame = ChunkFrame | HistoryFrame | WelcomeFrame | HeartbeatFrame | ErrorFrame
ClientFrame = FetchFrame | ResumeFrame

_encode = msgspec.json.Encoder().encode
_decode_chunk = msgspec.json.Decoder(ChunkFrame).decode
decode_server_frame = msgspec.json.Decoder(ServerFrame).decode
"""bytes -> ServerFrame; raises msgspec.ValidationError or DecodeError."""
decode_client_frame = msgspec.json.Decoder(ClientFrame).decode
"""bytes -> ClientFrame; raises msgspec.ValidationError or DecodeError."""


def encode(frame: ServerFrame | ClientFrame) -> bytes:
    """A frame as JSON."""
    return _encode(frame)


def encode_chunk(chunk: Chunk) -> bytes:
    """A chunk as the JSON that everybody passes on unchanged."""
    return _encode(_frame(chunk))


def decode_chunk(payload: bytes) -> Chunk:
    """The chunk in a payload; raises msgspec.ValidationError or DecodeError."""
    frame = _decode_chunk(payload)
    return Chunk(
        frame.session_id, frame.message_id, frame.index, frame.text, frame.final, frame.seq
    )


def split_at_seq(chunk: Chunk) -> tuple[bytes, bytes]:
    """The payload of a chunk without a number, cut where the number belongs.

    >>> head, tail = split_at_seq(chunk)
    >>> head + b"7" + tail == encode_chunk(chunk.numbered(7))
    True
    """
    payload = encode_chunk(chunk.numbered(0))
    return payload[: -len(b"0}")], b"}"


def encode_history(chunks: Iterable[Chunk]) -> bytes:
    """A history frame of these chunks."""
    return b"".join(history_pieces(map(encode_chunk, chunks)))


def history_pieces(payloads: Iterable[bytes]) -> Iterator[bytes]:
    """A history frame of chunks that are JSON already, cut into pieces between them.

    A piece ends with the first chunk that brings it to HISTORY_PIECE_BYTES.
    """
    parts, size = [b'{"type":"history","messages":['], 0
    for number, payload in enumerate(payloads):
        if size >= HISTORY_PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
        parts += (b",", payload) if number else (payload,)
        size += len(payload)
    yield b"".join([*parts, b"]}"])


def _frame(chunk: Chunk) -> ChunkFrame:
    return ChunkFrame(
        chunk.session_id, chunk.message_id, chunk.index, chunk.text, chunk.final, chunk.seq
    )
