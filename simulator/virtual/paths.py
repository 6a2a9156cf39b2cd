"""An ordering as a table: what it asks for after which answers, each found out once.

An ordering is a pure generator of effects, so what it does is decided by its arguments and by what
it has been answered. Clients that are answered the same take the same path, and most are: then a
step is a look into a dict, in place of a generator that is made, run, and checked for each of them.
"""

from collections.abc import Callable, Hashable
from typing import Any

from chunk7.delivery.effects import StreamRead
from chunk7.delivery.stepping import Steps

ROOM = 2_000_000
"""Chunks of the answers that a table keeps, 16 MiB of references: then it begins anew."""


class Path:
    """A place on the way through an ordering. `effect` is what it waits for, None at the end.

    `after` has the places behind it, by what the answer is called. `act` and `note` are the
    driver's: how it performs the effect, and what it has worked out of it.
    """

    __slots__ = ("act", "after", "answer", "before", "effect", "note")

    def __init__(self, effect: Any, before: "Path | None", answer: Any) -> None:
        self.effect = effect
        self.before = before
        self.answer = answer
        """What the effect before it was answered."""
        self.after: dict[Hashable, Path] = {}
        self.act: Any = None
        self.note: Any = None


class Paths:
    """The paths of one ordering from their beginnings, of which each has a name."""

    def __init__(self, prepare: Callable[[Path], None] = lambda _: None) -> None:
        """`prepare` is shown every new place of which the effect is not None."""
        self._prepare = prepare
        self._roots: dict[Hashable, Path] = {}
        self._kept = 0
        self._steps: Steps | None = None
        """The generator that stands at `_at`: most paths go on where the last one was found."""
        self._at: Path | None = None

    def begin(self, name: Hashable, make: Callable[[], Steps]) -> Path:
        """Where the generators that `make` makes begin: the same for all that bear this name."""
        root = self._roots.get(name)
        if root is None:
            self._steps = make()
            root = self._roots[name] = self._new(self._steps, None, make)
        return root

    def learn(self, path: Path, name: Hashable, answer: Any) -> Path:
        """Where it goes on when it is answered so, which is called `name` and not known yet.

        Raises OrderingError, as `Steps` does.
        """
        steps = self._steps if self._at is path else None
        if steps is None:
            steps = _again(path)
        self._at = None  # until it stands somewhere again: an error ends a generator
        steps.advance(answer)
        self._make_room(answer)
        found = path.after[name] = self._new(steps, path, answer)
        return found

    def _new(self, steps: Steps, before: Path | None, answer: Any) -> Path:
        path = Path(steps.effect, before, answer)
        self._steps, self._at = steps, path
        if steps.effect is not None:
            self._prepare(path)
        return path

    def _make_room(self, answer: Any) -> None:
        """Who is under way keeps the path that it is on, and beginnings stay beginnings."""
        chunks = answer.chunks if isinstance(answer, StreamRead) else answer
        self._kept += 1 + (len(chunks) if isinstance(chunks, tuple) else 0)
        if self._kept > ROOM:
            for root in self._roots.values():
                root.after.clear()
            self._kept = 0


def _again(path: Path) -> Steps:
    """A generator that stands there: it is given all answers once more."""
    answers = []
    while path.before is not None:
        answers.append(path.answer)
        path = path.before
    steps: Steps = path.answer()
    for answer in reversed(answers):
        steps.advance(answer)
    return steps
