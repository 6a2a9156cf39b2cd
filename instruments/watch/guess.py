"""What the patterns might be, from the names in the traffic: an offer, never used unasked.

Names that belong together differ in one part from session to session, and it is the same part in
the history's key and in the channel's name.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chunk7.instruments.watch.events import READS, SAVES
from chunk7.instruments.watch.monitor_line import Command
from chunk7.instruments.watch.patterns import SESSION

MAX_NAMES = 1_000
"""Of each kind; more tell nothing new."""
MAX_NAME_BYTES = 512
_PART = re.compile(r"[A-Za-z0-9-]+")

Templates = Mapping[str, set[str]]
"""The values that stood in the place of SESSION, by template."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Patterns as options would state them; '' where there is none."""

    history: str = ""
    channel: str = ""
    stream: str = ""

    def options(self) -> list[str]:
        """`--history`, `--channel` and `--stream` with what they need."""
        named = (
            ("--history", self.history), ("--channel", self.channel), ("--stream", self.stream),
        )  # fmt: skip
        return [f"{option} '{text}'" for option, text in named if text]


class Traffic:
    """Names by what was done with them: read, saved, published, subscribed, appended, followed."""

    def __init__(self) -> None:
        self._names: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, command: Command) -> None:
        """Note the names in a command, up to MAX_NAMES of a kind."""
        for role, name in _roles(command):
            names = self._names[role]
            if len(names) < MAX_NAMES and len(name) <= MAX_NAME_BYTES:
                names.add(name.decode("utf-8", "replace"))

    def guess(self) -> Guess | None:
        """The most likely patterns; None when nothing in the traffic looks like a handover."""
        channels = self._names["published"] | self._names["subscribed"]
        keys = self._names["saved"] & self._names["read"] or self._names["saved"]
        keys = keys or self._names["read"] - channels
        stream = _best(_templates(self._names["appended"] & self._names["followed"]))
        both = _best_pair(_templates(keys | self._names["appended"]), _templates(channels))
        if both is not None:
            return Guess(*both)
        return Guess(stream=stream) if stream else None


def _roles(command: Command) -> Iterator[tuple[str, bytes]]:
    name, args = command.name, command.args
    if not args:
        return
    if name in ("PUBLISH", "SPUBLISH"):
        yield "published", args[0]
    elif name in ("SUBSCRIBE", "SSUBSCRIBE"):
        yield from (("subscribed", channel) for channel in args)
    elif name in ("XREAD", "XREADGROUP"):
        words = [word.upper() for word in args]
        if b"STREAMS" in words:
            begin = words.index(b"STREAMS") + 1
            yield from (("followed", key) for key in args[begin : (begin + len(args)) // 2])
    elif name == "XADD":
        yield "appended", args[0]
    elif name in READS:
        yield "read", args[0]
    elif name in SAVES:
        yield "saved", args[0]


def _templates(names: set[str]) -> Templates:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        for part in _PART.finditer(name):
            found[name[: part.start()] + SESSION + name[part.end() :]].add(part[0])
    return found


def _best_pair(keys: Templates, channels: Templates) -> tuple[str, str] | None:
    scored = [
        (_score(values & channels[channel], key), key, channel)
        for key, values in keys.items()
        for channel in channels
        if values & channels[channel]
    ]
    return max(scored)[1:] if scored else None


def _best(templates: Templates) -> str:
    scored = [(_score(values, template), template) for template, values in templates.items()]
    return max(scored)[1] if scored else ""


def _score(values: set[str], template: str) -> tuple[int, bool, int]:
    """Many sessions; ids mostly have digits, and mostly come last."""
    with_digits = any(any(character.isdigit() for character in value) for value in values)
    return len(values), with_digits, template.index(SESSION)
