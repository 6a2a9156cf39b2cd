"""Try somebody else's ordering files where they can be stopped, before anything depends on them."""

from collections.abc import Callable, Iterable, Iterator

from chunk7.simulator.explore.guard import guarded


def rehearse(specs: Iterable[str], attempt: Callable[[], object]) -> None:
    """Do it once in a process of its own, if any of the specs is a file and not one of our names.

    Raises what the attempt raises, if that is a Chunk7Error, and OrderingError when a file loops
    for ever, be it on loading or without yielding.
    """

    def job(tick: Callable[[], None]) -> Iterator[None]:
        attempt()
        yield None

    if any(".py:" in spec for spec in specs):
        list(guarded(job))
