"""One line of MONITOR -> the command that the store executed.

The forms read, newest first, each with or without the protocol's leading `+`:

    1339518083.107412 [0 127.0.0.1:60866] "rpush" "key" "a\\x00b"
    1339518083.107412 [0 lua] "rpush" "key" "value"        called by a script
    1339518083.107412 (db 0) "rpush" "key" "value"         Redis 2.4
    1339518083.107412 "rpush" "key" "value"                Redis 2.2
    1339518083.107412: ["rpush","key","value"]             some tools that write logs
"""

import re
from dataclasses import dataclass

LUA = "lua"
"""The client of what a script calls."""

_LINE = re.compile(
    rb"\+?(\d{1,12})\.(\d{1,6}):? "
    rb"(?:\[(\d+) (.*?)\] (?=\")|\(db (\d+)\) )?"
    rb"(\"(?:[^\"\\]|\\.)*\"(?: \"(?:[^\"\\]|\\.)*\")*"
    rb"|\[\s*\"(?:[^\"\\]|\\.)*\"(?:\s*,\s*\"(?:[^\"\\]|\\.)*\")*\s*\])\s*",
    re.DOTALL,
)
_ARGUMENT = re.compile(rb"\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


@dataclass(frozen=True, slots=True)
class Command:
    """What one line says. `at_us`: the store's clock, microseconds of Unix time.

    `client` is ADDRESS:PORT, `unix:PATH`, `lua`, or '' where the line does not say. `name` is the
    command in upper case; `args` are the others as the store got them.
    """

    at_us: int
    db: int
    client: str
    name: str
    args: tuple[bytes, ...]


def parse_line(line: bytes) -> Command | None:
    """The command of a line; None for what is no whole line of MONITOR."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    seconds, fraction, db, client, old_db, words = found.groups()
    name, *args = (_unescaped(word) for word in _ARGUMENT.findall(words))
    return Command(
        at_us=int(seconds) * 1_000_000 + int(fraction.ljust(6, b"0")),
        db=int(db or old_db or 0),
        client=(client or b"").decode("utf-8", "replace"),
        name=name.decode("latin-1").upper(),
        args=tuple(args),
    )


def _unescaped(word: bytes) -> bytes:
    return _ESCAPE.sub(_character, word) if b"\\" in word else word


def _character(escape: "re.Match[bytes]") -> bytes:
    hexadecimal, plain = escape.groups()
    return bytes.fromhex(hexadecimal.decode()) if hexadecimal else _CONTROL.get(plain, plain)
