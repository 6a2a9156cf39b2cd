"""Orderings as automata: where one is, is the list of answers that it has been given.

A generator cannot be copied, so a branch of the exploration is reached by running a new one
through the same answers. That is done once for every list of answers, not once a visit: an
ordering is deterministic, and so a position in it can be a small integer.
"""

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from typing import Any

from chunk7.delivery.effects import Pause
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.stepping import Steps
from chunk7.simulator.explore.unread_cursor import CursorRead, hide, show

Start = Callable[[], Generator[Any, Any, None]]

ENDED = -1
"""The position of an ordering that has nothing more to ask."""


@dataclass(slots=True)
class _Position:
    name: str
    start: Start
    answers: tuple[Any, ...]
    effect: Any
    running: Steps | None
    """A generator that stands exactly here, until the first branch takes it along."""
    after: dict[Hashable, int] = field(default_factory=dict)


class Programs:
    """Every position of every ordering that an exploration has come to.

    `Pause` is skipped: all interleavings are tried, with or without one. Raises OrderingError,
    naming the ordering, for whatever `Steps` finds and when two runs over the same answers
    ask for different effects.

    `blind`: cursors can be handed on and not be looked into; CursorRead when an ordering tries.
    """

    def __init__(self, blind: bool = False) -> None:
        self._blind = blind
        self._hidden = False
        self._positions: list[_Position] = []
        self._roots: dict[Hashable, int] = {}

    def root(self, key: Hashable, name: str, start: Start) -> int:
        """The position of a fresh ordering; `key` stands for whatever `start` depends on."""
        if key not in self._roots:
            self._roots[key] = self._add(name, start, (), self._run(name, start, ()))
        return self._roots[key]

    def effect(self, position: int) -> Any:
        """What the ordering waits for there."""
        return self._positions[position].effect

    def is_root(self, position: int) -> bool:
        """Whether the ordering has done nothing yet."""
        return position != ENDED and not self._positions[position].answers

    def after(self, position: int, answer: Hashable) -> int:
        """Where the ordering is after it has been given the answer; ENDED at its end."""
        here = self._positions[position]
        known = here.after.get(answer)
        if known is None:
            known = here.after[answer] = self._extend(here, answer)
        return known

    def _extend(self, here: _Position, answer: Any) -> int:
        steps, here.running = here.running, None
        if steps is None:
            steps = self._run(here.name, here.start, here.answers)
            effect = self._effect(steps)
            if effect != here.effect:
                raise OrderingError(
                    f"{here.name}: asks for {effect!r} and for {here.effect!r} "
                    "after the same answers; an ordering must be deterministic"
                )
        self._give(here.name, steps, answer)
        return self._add(here.name, here.start, (*here.answers, answer), steps)

    def _add(self, name: str, start: Start, answers: tuple[Any, ...], steps: Steps) -> int:
        if steps.effect is None:
            return ENDED
        self._positions.append(_Position(name, start, answers, self._effect(steps), steps))
        return len(self._positions) - 1

    def _effect(self, steps: Steps) -> Any:
        return show(steps.effect) if self._blind else steps.effect

    def _run(self, name: str, start: Start, answers: tuple[Any, ...]) -> Steps:
        try:
            steps = Steps(start())
            _skip_pauses(steps)
        except OrderingError as error:
            raise OrderingError(f"{name}: {error}") from error
        except Exception as error:  # a function that is no generator raises when it is called
            raise OrderingError(f"{name}: {type(error).__name__}: {error}") from error
        for answer in answers:
            self._give(name, steps, answer)
        return steps

    def _give(self, name: str, steps: Steps, answer: Any) -> None:
        given = hide(answer) if self._blind else answer
        self._hidden = self._hidden or given is not answer
        try:
            steps.advance(given)
            _skip_pauses(steps)
        except OrderingError as error:
            if self._hidden:  # not its fault, it may be, but that of a cursor which is no text
                raise CursorRead from error
            raise OrderingError(f"{name}: {error}") from error


def _skip_pauses(steps: Steps) -> None:
    while type(steps.effect) is Pause:
        steps.advance(None)
