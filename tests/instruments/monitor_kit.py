"""MONITOR histories in a few words, and what watching says of them."""

from collections.abc import Sequence

from chunk7.instruments.watch.handover import Found, WatchedChunk, WatchedJoin
from chunk7.instruments.watch.log import Log
from chunk7.instruments.watch.patterns import Patterns

EPOCH_S = 1_800_000_000
HOSTS = {"node": "10.0.0.1", "web": "10.0.0.2", "ai": "10.0.0.9"}


def repr_of(word: bytes) -> bytes:
    """A word as the server writes it: printable ASCII as it is, the rest escaped."""
    named = {ord('"'): b'\\"', ord("\\"): b"\\\\", 10: b"\\n", 13: b"\\r", 9: b"\\t"}
    named |= {7: b"\\a", 8: b"\\b"}
    plain = (
        named.get(byte, bytes([byte]) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in word
    )
    return b'"' + b"".join(plain) + b'"'


def line(at_ms: float, client: str, *words: str | bytes, db: int = 0) -> bytes:
    """A line of MONITOR; `client` is a name of HOSTS with a number behind it, or said whole."""
    name = client.rstrip("0123456789")
    if name in HOSTS:
        client = f"{HOSTS[name]}:{5_000 + int(client[len(name) :] or 0)}"
    told = [repr_of(word if isinstance(word, bytes) else word.encode()) for word in words]
    at = b"%d.%06d" % (EPOCH_S + int(at_ms // 1_000), round(at_ms % 1_000 * 1_000))
    return b"%s [%d %s] %s" % (at, db, client.encode(), b" ".join(told))


def history(text: str) -> list[bytes]:
    """Lines from `MS CLIENT WORD WORD ...`, one each; `#` begins a remark. `3@CLIENT`: in db 3."""
    lines = []
    for row in text.splitlines():
        if words := row.partition("#")[0].split():
            at_ms, client, *command = words
            db, _, who = client.rpartition("@")
            lines.append(line(float(at_ms), who, *command, db=int(db or 0)))
    return lines


def found(lines: Sequence[bytes], named: Patterns | None = None) -> Found:
    log = Log(named or Patterns())
    for each in lines:
        log.add(each)
    assert log.unreadable == 0
    return log.found()


def told(join: WatchedJoin) -> tuple[str, str, float | None, list[int], str | None]:
    """(session, verdict, W in ms, positions of the lost, why unknown)."""
    window_ms = None if join.window_us is None else join.window_us / 1_000
    return join.session, join.verdict, window_ms, [c.position for c in join.lost], join.because


def verdicts(text: str, named: Patterns | None = None) -> list[tuple[object, ...]]:
    """What is told of every join of a history."""
    return [told(join) for join in found(history(text), named).joins]


def lags_ms(chunks: Sequence[WatchedChunk]) -> list[float | None]:
    return [None if c.lag_us is None else c.lag_us / 1_000 for c in chunks]
