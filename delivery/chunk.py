"""A chunk of an answer, and the store's key names (both are the bug report's, kept)."""

import zlib
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of an answer.

    `index` counts from 0 within the message. `seq` counts from 1 within the session;
    0 means that no number has been taken yet. `final` marks a message's last chunk.
    """

    session_id: str
    message_id: str
    index: int
    text: str
    final: bool = False
    seq: int = 0

    def numbered(self, seq: int) -> "Chunk":
        """The same chunk with its sequence number."""
        return replace(self, seq=seq)


def notice(session_id: str) -> Chunk:
    """What a poke publishes: it stands for no chunk, and is of no message."""
    return Chunk(session_id, "", 0, "")


def is_notice(chunk: Chunk) -> bool:
    """Whether it is one that a poke has published."""
    return not chunk.message_id


@dataclass(frozen=True, slots=True)
class End(Chunk):
    """The answer is over: an event of its own, which goes wherever a chunk can go.

    It is published, saved and appended as a chunk is, and takes a number as a chunk does, or none
    (0): then, like a chunk without one, it is in no answer to a read of the history, and what holds
    live chunks cannot tell where it belongs. A client is sent an end frame for it.
    """

    message_id: str = "end"
    index: int = -1
    text: str = ""
    final: bool = True


def digest(message_id: str, index: int, text: str, final: bool) -> int:
    """CRC-32 over what the reader would see: whose chunk it is, where it goes, what it says.

    The sequence number is left out: it is transport, and a client that gets the right text
    under another number has been told the truth about the answer.
    """
    return zlib.crc32(f"{message_id}{index} {final:d} {text}".encode())


def history_key(session_id: str) -> str:
    """List of the session's saved chunks."""
    return f"chat:history:{session_id}"


def stream_key(session_id: str) -> str:
    """Pub/Sub channel of the session's live chunks, and key of its stream."""
    return f"chat:stream:{session_id}"


def status_key(session_id: str) -> str:
    """One word on the session, overwritten: what it is now, and nothing of what it was."""
    return f"chat:status:{session_id}"


def seq_key(session_id: str) -> str:
    """Counter: the last sequence number taken in the session."""
    return f"chat:seq:{session_id}"


def epoch_key(session_id: str) -> str:
    """Which life of the session's counter it is: a name, drawn when its numbers began (again)."""
    return f"chat:epoch:{session_id}"
