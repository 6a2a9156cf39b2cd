"""Which keys and channels are a session's: names with `{session_id}` in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from chunk7.delivery.chunk import history_key, stream_key
from chunk7.delivery.errors import UsageError

SESSION = "{session_id}"
_GLOB = re.compile(rb"[*?\[\\]")


@dataclass(frozen=True)
class Pattern:
    """A name with SESSION once; `*` stands for anything.

    >>> Pattern("chat:{session_id}:log").session(b"chat:s1:log")
    's1'
    """

    text: str

    @cached_property
    def _regex(self) -> "re.Pattern[bytes]":
        before, _, after = self.text.partition(SESSION)
        parts = [".*".join(map(re.escape, part.split("*"))) for part in (before, after)]
        return re.compile("(.+)".join(parts).encode(), re.DOTALL)

    def session(self, name: bytes) -> str | None:
        """The session whose name this is; None for others."""
        found = self._regex.fullmatch(name)
        return found[1].decode("utf-8", "backslashreplace") if found else None

    def name_of(self, session: str) -> bytes:
        """The session's name, where there is no `*` in the pattern."""
        return self.text.replace(SESSION, session).encode()


@dataclass(frozen=True)
class Patterns:
    """Of history keys, of Pub/Sub channels, and of streams that are both at once."""

    history: tuple[Pattern, ...] = field(default=(Pattern(history_key(SESSION)),))
    channel: tuple[Pattern, ...] = field(default=(Pattern(stream_key(SESSION)),))
    stream: tuple[Pattern, ...] = field(default=(Pattern(stream_key(SESSION)),))


def patterns(
    history: Sequence[str] = (), channel: Sequence[str] = (), stream: Sequence[str] = ()
) -> Patterns:
    """As options give them; chunk7's own names when none is given. Raises UsageError."""
    if not (history or channel or stream):
        return Patterns()
    if bool(history) != bool(channel):
        missing = "--channel" if history else "--history"
        raise UsageError(f"{missing} PATTERN is needed too: a history and a channel go together")
    given = {"--history": history, "--channel": channel, "--stream": stream}
    return Patterns(*(tuple(_pattern(o, text) for text in texts) for o, texts in given.items()))


def session_of(patterns: Sequence[Pattern], name: bytes) -> str | None:
    """By the first pattern that fits."""
    for pattern in patterns:
        if (session := pattern.session(name)) is not None:
            return session
    return None


def glob(text: bytes) -> "re.Pattern[bytes] | None":
    """The store's glob of PSUBSCRIBE as a regular expression; None for one without wildcards.

    >>> bool(glob(b"chat:*").fullmatch(b"chat:1"))
    True
    """
    if not _GLOB.search(text):
        return None
    parts = re.findall(rb"\\.|\[\^?[^\]]*\]|.", text, re.DOTALL)
    return re.compile(b"".join(map(_as_regex, parts)), re.DOTALL)


def _as_regex(part: bytes) -> bytes:
    if part in (b"*", b"?"):
        return b".*" if part == b"*" else b"."
    if part[:1] == b"[" and len(part) > 2:
        negated = part[1:2] == b"^"
        inside = re.escape(part[1 + negated : -1]).replace(rb"\-", b"-")
        return (b"[^" if negated else b"[") + inside + b"]"
    return re.escape(part[1:] if part[:1] == b"\\" and len(part) > 1 else part)


def _pattern(option: str, text: str) -> Pattern:
    if text.count(SESSION) != 1:
        raise UsageError(f"{option} {text}: must have {SESSION} in it, once")
    return Pattern(text)
