"""Step an ordering: the one place where a generator is advanced and its yields are checked."""

from collections.abc import Generator
from typing import Any, get_args

from chunk7.delivery.effects import ConnectEffect, WriteEffect
from chunk7.delivery.errors import Chunk7Error, OrderingError

MAX_EFFECTS = 1_000
"""An ordering that asks for more than this is taken to be endless."""

_KNOWN = frozenset(get_args(ConnectEffect)) | frozenset(get_args(WriteEffect))


class Steps:
    """An ordering under way.

    >>> steps = Steps(ordering.steps(join))
    >>> while steps.effect is not None:
    ...     steps.advance(perform(steps.effect))

    `effect` is what it waits for, None once it has ended. Raises OrderingError when it yields
    something that is no effect, raises by itself, or asks for more than MAX_EFFECTS.
    A loop that never yields cannot be seen from here: drivers of foreign orderings bound the
    time as well.
    """

    __slots__ = ("_count", "_generator", "effect")

    def __init__(self, generator: Generator[Any, Any, None]) -> None:
        self._generator = generator
        self._count = 0
        self.effect: Any = None
        self.advance(None)

    def advance(self, answer: Any) -> None:
        """Hand the answer to the waiting effect and run up to the next one."""
        try:
            self.effect = self._generator.send(answer)
        except StopIteration:
            self.effect = None
            return
        except Chunk7Error:
            raise
        except Exception as error:
            raise OrderingError(f"the ordering raised {type(error).__name__}: {error}") from error
        self._count += 1
        if type(self.effect) not in _KNOWN:
            raise OrderingError(f"the ordering yielded {self.effect!r}, which is no effect")
        if self._count > MAX_EFFECTS:
            raise OrderingError(f"the ordering asked for more than {MAX_EFFECTS} effects")
