"""Locust's form: which options it shows, what they can be, and whether a start may go ahead.

Locust builds the form out of the command line's declarations, which it asks for again each time.
The choices come from the command line too, so the first declaration has none of them.
"""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.options import (
    ALL,
    CHOSEN,
    LoadOptions,
    add_arguments,
    check_users,
    read_cells,
    read_options,
)

_NUMBERS = {found.dest: found for found in CHOSEN.values() if found.usual}
_FAULTS = "faults"
SHOWN = ("connect", "write", *_NUMBERS, _FAULTS, "once")
"""Options that the form shows, and the only ones that a start may change."""
_LATENCY = "store_latency_ms"
_LOCUSTS = (
    "user_count",
    "spawn_rate",
    "host",
    "run_time",
    "profile",
    "user_classes",
    "shape_class",
)
"""What Locust's own form sends."""


class Form:
    """The form of one Locust process. `choices` are known once the command line is read."""

    def __init__(self) -> None:
        self._choices: dict[str, list[str]] = {}
        self._hidden: set[str] = set()
        self._faults = ""

    def declare(self, parser: ArgumentParser) -> None:
        """Declare the options; those that are not SHOWN stay out of the form."""
        known = {action.dest for action in parser._actions}
        add_arguments(parser)
        parser.set_defaults(web_host="127.0.0.1")  # Locust's own is every interface
        for action in parser._actions:
            if action.dest not in known:
                self._dress(action)

    def offer(self, parsed: Namespace) -> None:
        """From now on the form has the choices of this command line; raises UsageError."""
        text = parsed.pairs or parsed.cells
        pairs = read_cells("--pairs", text) if text else ()
        if pairs:
            self._choices["connect"] = _names((pair.connect for pair in pairs), parsed.connect)
            self._choices["write"] = _names((pair.write for pair in pairs), parsed.write)
        for name, found in _NUMBERS.items():
            words = [f"{value:g}" for value in found.usual]
            self._choices[name] = _numbers(
                filter(None, (found.none, *words)), getattr(parsed, name)
            )
        if not parsed.store_delay:
            self._hidden.add(_LATENCY)
        self._faults = ", ".join(filter(None, (parsed.fault_names or "").split(",")))
        if not self._faults:
            self._hidden.add(_FAULTS)

    def _dress(self, action: Action) -> None:
        shown: Any = action  # Locust's parser gives actions one attribute more
        shown.include_in_web_ui = action.dest in SHOWN and action.dest not in self._hidden
        if action.dest == _FAULTS and self._faults:
            action.help = f"{action.help}: {self._faults}"
        if action.dest in self._choices:
            action.choices = self._choices[action.dest]
            action.type = _spelled  # choices are text
            if action.default is not None:
                action.default = _spelled(action.default)


def check_start(
    parsed: Namespace, host: str | None, form: Mapping[str, str], running: bool
) -> LoadOptions:
    """What a start with this form asks for; raises UsageError if it cannot be. Changes nothing.

    `parsed` is what stands until now, of which the form changes a part. While a test is running,
    only its number of users can be changed. `host` is the command line's, and stays: whoever
    reaches the form must not aim the load at somebody else.
    """
    if form.get("host", host) != host:
        raise UsageError(f"host: only {host}, which Locust was started with (--host)")
    for name in form:
        if name not in (*SHOWN, *_LOCUSTS):
            raise UsageError(f"{name} cannot be set here: none of {', '.join(SHOWN)}")
    wanted = Namespace(**vars(parsed))
    for name in SHOWN:
        if name in form:
            before = getattr(parsed, name)
            setattr(wanted, name, _as_locust_does(before, form[name]))
            if running and _spelled(before) != _spelled(getattr(wanted, name)):
                raise UsageError(f"{name} cannot be changed while a test runs: stop it first")
    if not parsed.store_delay and _spelled(getattr(wanted, _LATENCY)) != _spelled(
        getattr(parsed, _LATENCY)
    ):
        raise UsageError(f"{_NUMBERS[_LATENCY].option}: this cluster has no delay before its store")
    check_users(wanted, form.get("user_count"), form.get("spawn_rate"))
    return read_options(wanted, host)


def _as_locust_does(before: object, text: str) -> object:
    return text == "true" if isinstance(before, bool) else text


def _names(names: Iterable[str], given: str) -> list[str]:
    """`all`, then the names; what the command line gave is among them, or it could not be read."""
    return list(dict.fromkeys(filter(None, (ALL, *names, given))))


def _numbers(usual: Iterable[str], given: object) -> list[str]:
    """The usual ones and the command line's, in order; words first."""
    return sorted({*usual, _spelled(given)}, key=_place)


def _place(text: str) -> tuple[bool, float]:
    try:
        return True, float(text)
    except ValueError:
        return False, 0.0


def _spelled(value: object) -> str:
    """A number as the choices have it: 5.0 is 5."""
    try:
        return f"{float(str(value)):.15g}"
    except ValueError:
        return str(value)
