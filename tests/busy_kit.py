"""Reasons against a run that are this machine's, when it has other work."""

from collections.abc import Iterable

_OF_THE_MACHINE = ("was saturated", "after their plan")


def of_the_run(reasons: Iterable[str]) -> list[str]:
    """Without those that say that the machine was busy: they are right, and not what is tested."""
    return [line for line in reasons if not any(part in line for part in _OF_THE_MACHINE)]
