"""An ordering as a table: what it asks for after which answers, each found out once.

An ordering is a pure generator of effects, so what it does is decided by its arguments and by what
it has been answered. Clients that are answered the same take the same path, and most are: then a
step is a look into a dict, in place of a generator that is made, run, and checked for each of them.
"""

from collections.abc import Callable, Hashable
from typing import Any

from chunk7.delivery.effects import StreamRead
from chunk7.delivery.stepping import Steps

ROOM = 8_000_000
"""Words that a table keeps, 64 MiB, one for each chunk of an answer: then it begins anew."""
WORDS = 40
"""Of a place without its answer."""
LONGEST = 1_000
"""Chunks of an answer that is kept: there are as many longer ones, and few are met again."""

Given = tuple[Any, ...]
"""How a generator is brought to a place: (what makes it,), or (how to the place before, answer)."""


class Path:
    """A place on the way through an ordering. `effect` is what it waits for, None at the end.

    `after` has the places behind it, by what the answer is called. `act` and `note` are the
    driver's: how it performs the effect, and what it has worked out of it. No place refers to one
    before it, so that what is no longer kept is gone at once.
    """

    __slots__ = ("act", "after", "effect", "given", "note")

    def __init__(self, effect: Any, given: Given) -> None:
        self.effect = effect
        self.given = given
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
            root = self._roots[name] = self._new(make(), (make,))
        return root

    def learn(self, path: Path, name: Hashable, answer: Any) -> Path:
        """Where it goes on when it is answered so, which is called `name` and not known yet.

        Raises OrderingError, as `Steps` does.
        """
        steps = self._steps if self._at is path else None
        if steps is None:
            steps = _brought(path.given)
        self._at = None  # until it stands somewhere again: an error ends a generator
        steps.advance(answer)
        found = self._new(steps, (path.given, answer))
        if self._has_room(name, answer):
            path.after[name] = found
        return found

    def _new(self, steps: Steps, given: Given) -> Path:
        path = Path(steps.effect, given)
        self._steps, self._at = steps, path
        if steps.effect is not None:
            self._prepare(path)
        return path

    def _has_room(self, name: Hashable, answer: Any) -> bool:
        """Whether to keep what it leads to. Who is under way keeps the path that it is on.

        What is called as a cursor is has an instant in it, and does not come again.
        """
        chunks = answer.chunks if isinstance(answer, StreamRead) else answer
        size = len(chunks) if isinstance(chunks, tuple) else 0
        if size > LONGEST or isinstance(name, str):
            return False
        self._kept += WORDS + size
        if self._kept > ROOM:
            self._kept = WORDS + size
            for root in self._roots.values():
                root.after.clear()
        return True


def _brought(given: Given) -> Steps:
    """A generator that is made anew and given all answers once more."""
    answers = []
    while len(given) == 2:
        given, answer = given
        answers.append(answer)
    steps: Steps = given[0]()
    for answer in reversed(answers):
        steps.advance(answer)
    return steps
