"""Which commands are a session's read, subscription, publication: by command and by name.

A rule is written as COMMAND NAME, as in `LRANGE chat:{session_id}:history`. `*` in a name stands
for anything; `*` as the command for every one that does what the rule is for. What a command of a
known shape does is taken from its form (of XREAD: to wait is to follow), as `watch` takes it. What
is written behind the name must fit all that the command has behind it: `XADD all *"{session_id}"*`
is one stream of all sessions, whose entries say whose they are.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from chunk7.delivery.errors import UsageError
from chunk7.instruments.watch.events import READS, SAVES, SCRIPTS
from chunk7.instruments.watch.patterns import SESSION, Pattern, Patterns, glob

ANY = "*"


class Role(StrEnum):
    """What a command is for."""

    READ = "read"
    SUBSCRIBE = "subscribe"
    FOLLOW = "follow"
    LEAVE = "leave"
    PUBLISH = "publish"
    SAVE = "save"
    APPEND = "append"


@dataclass(frozen=True)
class Rule:
    """`command`, upper case or ANY, on a name that fits `name` has the role; and, if `rest` is not
    empty, only when its further arguments, with blanks between them, fit that.
    """

    role: Role
    command: str
    name: str
    rest: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.command, self.name, self.rest)))

    @property
    def option(self) -> str:
        """As the command line states it."""
        return f"--{self.role} {shlex.quote(str(self))}"

    @property
    def is_of_all(self) -> bool:
        """Whether what it names may be of any session."""
        return SESSION not in self.name + self.rest

    @cached_property
    def _regex(self) -> "re.Pattern[bytes]":
        return _compiled(self.name, "(.+)")

    @cached_property
    def _rest_regex(self) -> "re.Pattern[bytes]":
        return _compiled(self.rest, "(.+?)")

    @cached_property
    def _sample(self) -> bytes:
        """A name that fits."""
        return self.name.replace(SESSION, "0").replace(ANY, "0").encode()

    def match(self, use: "_Use") -> "Match | None":
        """What the command does with the name, if this rule speaks of it."""
        possible = use.roles if self.command == ANY else use.stated
        if self.command not in (ANY, use.command) or self.role not in possible:
            return None
        found = self._regex.fullmatch(use.name)
        wide = glob(use.name) if use.is_glob else None
        if found is None and not (wide is not None and wide.fullmatch(self._sample)):
            return None
        session = found[1] if found is not None and self._regex.groups else None
        if self.rest:
            behind = self._rest_regex.fullmatch(use.rest)
            if behind is None:
                return None
            session = behind[1] if self._rest_regex.groups else session
        if session is not None and wide is not None and glob(session) is not None:
            session = None
        text = None if session is None else session.decode("utf-8", "backslashreplace")
        return Match(self.role, text, Rule(self.role, use.command, self.name, self.rest))


def _compiled(text: str, session: str) -> "re.Pattern[bytes]":
    parts = (".*".join(map(re.escape, part.split(ANY))) for part in text.split(SESSION))
    return re.compile(session.join(parts).encode(), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Match:
    """A command is `role` for `session`; None: its name says no session. `rule` found it."""

    role: Role
    session: str | None
    rule: Rule | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Rules:
    """All that is known of a system's commands."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def of_patterns(cls, patterns: Patterns) -> "Rules":
        """What `watch` would recognise by these patterns."""
        roles: tuple[tuple[Role, tuple[Pattern, ...]], ...] = (
            (Role.READ, patterns.history + patterns.stream),
            (Role.SUBSCRIBE, patterns.channel),
            (Role.FOLLOW, patterns.stream),
            (Role.LEAVE, patterns.channel),
            (Role.PUBLISH, patterns.channel),
            (Role.SAVE, patterns.history),
            (Role.APPEND, patterns.stream),
        )
        return cls(tuple(Rule(role, ANY, one.text) for role, named in roles for one in named))

    def plus(self, rules: Iterable[Rule]) -> "Rules":
        """These, and more."""
        return Rules(tuple(dict.fromkeys((*self.rules, *rules))))

    def matches(self, name: str, args: Sequence[bytes]) -> list[Match]:
        """What a command (its name in upper case) is, each role and session once."""
        return list(dict.fromkeys(m for use in _uses(name, args) for m in self._of_use(use)))

    def _of_use(self, use: "_Use") -> list[Match]:
        """A rule that names the command goes before those for any."""
        found = self._found(use)
        if not found and use.roles == {Role.FOLLOW} and Role.READ in use.stated:
            found = self._found(replace(use, roles=frozenset([Role.READ])))  # nobody follows it
        named = [m for rule, m in found if rule.command != ANY]
        matches = named or [m for _, m in found]
        if use.command in SCRIPTS and any(m.role is Role.PUBLISH for m in matches):
            # A name of both a channel and a stream: a script that publishes does not append.
            matches = [m for m in matches if m.role is not Role.APPEND]
        return matches

    def _found(self, use: "_Use") -> list[tuple[Rule, Match]]:
        return [(rule, m) for rule in self.rules if (m := rule.match(use))]

    def of_passage(
        self,
        name: str,
        args: Sequence[bytes],
        block: Sequence[tuple[str, Sequence[bytes]]] = (),
    ) -> list[Match]:
        """What a command is, or at EXEC the `block` of all that was queued."""
        queued = [(name, args)] if name != "EXEC" else block
        return list(dict.fromkeys(m for one in queued for m in self.matches(*one)))

    def used(self, matches: Iterable[Match]) -> "Rules":
        """Those by which something was found; one for any command, by whichever it was."""
        found = {match.rule for match in matches if match.rule is not None}
        found |= {replace(rule, command=ANY) for rule in found}
        return Rules(tuple(rule for rule in self.rules if rule in found))

    def options(self) -> list[str]:
        """As the command line would state them."""
        return [rule.option for rule in self.rules]


def parse_rule(option: str, role: Role, text: str) -> Rule:
    """COMMAND NAME [REST], as a user writes it. Raises UsageError naming the option."""
    command, name, rest = (*text.split(None, 2), "", "", "")[:3]
    rest = rest.strip()
    if not name:
        raise UsageError(
            f"{option} {text!r}: write COMMAND NAME, such as 'LRANGE chat:{SESSION}:history'; "
            "* is any command that does it"
        )
    if (name + rest).count(SESSION) > 1:
        raise UsageError(f"{option} {text!r}: {SESSION} at most once")
    if not name.replace(SESSION, "").strip(ANY):
        raise UsageError(f"{option} {text!r}: a name needs more than {SESSION} and *")
    return Rule(role, command.upper(), name, rest)


def parse_option(text: str) -> Rule:
    """What `Rule.option` wrote. Raises UsageError."""
    try:
        option, rule = shlex.split(text)
        role = Role(option.removeprefix("--"))
    except ValueError:
        roles = ", ".join(f"--{role}" for role in Role)
        raise UsageError(f"rule {text!r}: want one of {roles} and a rule in quotes") from None
    return parse_rule(option, role, rule)


# --- what commands of a known shape do, and with which of their arguments ---

_ROLES: dict[str, frozenset[Role]] = {
    **dict.fromkeys((*READS, "MGET", "SUNION", "ZUNION", "XINFO"), frozenset([Role.READ])),
    **dict.fromkeys((*SAVES, "XADD"), frozenset([Role.SAVE])),
    **dict.fromkeys(("PUBLISH", "SPUBLISH"), frozenset([Role.PUBLISH])),
    **dict.fromkeys(("SUBSCRIBE", "SSUBSCRIBE", "PSUBSCRIBE"), frozenset([Role.SUBSCRIBE])),
    **dict.fromkeys(("UNSUBSCRIBE", "SUNSUBSCRIBE", "PUNSUBSCRIBE"), frozenset([Role.LEAVE])),
    # What a script does with a name is not to be seen: it is taken for the writing of it.
    **dict.fromkeys(SCRIPTS, frozenset([Role.SAVE, Role.PUBLISH, Role.APPEND])),
    **dict.fromkeys(("EVAL_RO", "EVALSHA_RO", "FCALL_RO"), frozenset([Role.READ])),
    "XADD": frozenset([Role.SAVE, Role.APPEND]),
    "XGROUP": frozenset([Role.FOLLOW]),
}
_NAMED_ALL = frozenset(
    (
        *("MGET", "SUNION", "SUBSCRIBE", "SSUBSCRIBE", "PSUBSCRIBE"),
        *("UNSUBSCRIBE", "SUNSUBSCRIBE", "PUNSUBSCRIBE"),
    )
)
"""Every argument is a name."""
_NAMED_SECOND = frozenset(("XGROUP", "XINFO"))
_BEGINNINGS = frozenset((b"0", b"0-0", b"-"))


@dataclass(frozen=True, slots=True)
class _Use:
    """A command does something with a name.

    `roles`: what, by its form; `stated`: what it may be for a rule that names the command.
    """

    command: str
    name: bytes
    roles: frozenset[Role]
    stated: frozenset[Role] = frozenset(Role)
    is_glob: bool = False
    args: Sequence[bytes] = ()

    @property
    def rest(self) -> bytes:
        """What stands behind the name."""
        return b" ".join(self.args[self.args.index(self.name) + 1 :])


def _uses(command: str, args: Sequence[bytes]) -> Iterator[_Use]:
    if command in ("XREAD", "XREADGROUP"):
        yield from _stream_reads(command, args)
        return
    roles = _ROLES.get(command, frozenset())
    is_glob = command in ("PSUBSCRIBE", "PUNSUBSCRIBE")
    if roles == {Role.LEAVE} and not args:  # all that it has
        args, is_glob = [b"*"], True
    for name in _names(command, args):
        yield _Use(command, name, roles, is_glob=is_glob, args=args)


def _names(command: str, args: Sequence[bytes]) -> Sequence[bytes]:
    """Of a command whose shape is not known, any argument may be one."""
    if command in SCRIPTS:
        return args[2:]
    if command in _NAMED_SECOND:
        return args[1:2]
    return args if command in _NAMED_ALL or command not in _ROLES else args[:1]


def _stream_reads(command: str, args: Sequence[bytes]) -> Iterator[_Use]:
    """To wait, or to go on from somewhere, is to follow; a read begins at the beginning.

    A rule that names the command may also take one from somewhere, which does not wait, for a read.
    """
    words = [word.upper() for word in args]
    if b"STREAMS" not in words:
        return
    begin = words.index(b"STREAMS") + 1
    count = (len(args) - begin) // 2
    waits = b"BLOCK" in words[:begin]
    for name, cursor in zip(args[begin : begin + count], args[begin + count :], strict=False):
        goes_on = cursor == b">" if command == "XREADGROUP" else cursor not in _BEGINNINGS
        follows = goes_on or (waits and command == "XREAD")
        roles = frozenset([Role.FOLLOW if follows else Role.READ])
        yield _Use(command, name, roles, roles if waits or not follows else roles | {Role.READ})
