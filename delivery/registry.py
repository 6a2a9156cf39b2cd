"""Find an ordering by name, or in a user's own file as `path/to/file.py:name`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.delivery.user_file import load_file

Ordering = TypeVar("Ordering", ConnectOrdering, WriteOrdering)
_NAME = re.compile(r"[^\W\d][\w.-]{0,63}")
"""Names are shown in terminals, pages and tables, and stand in lists on command lines."""


def resolve(
    spec: str, registry: Mapping[str, Ordering], kind: type[Ordering], option: str = ""
) -> Ordering:
    """The ordering that `spec` names: a registry key, or `path/to/file.py:name`.

    Raises UsageError in one line when there is none, or the file does not load; `option` is the
    command line's, to begin that line with.
    """
    try:
        return _resolve(spec, registry, kind)
    except UsageError as error:
        if not option:
            raise
        raise UsageError(f"{option}: {error}") from error


def performed_live(ordering: object, option: str) -> None:
    """Raises UsageError for an ordering that only exploring can perform so far."""
    if isinstance(ordering, WriteOrdering) and ordering.ending is not None:
        raise UsageError(
            f"{option} {ordering.name}: has an ending, which only explore performs yet"
        )


def _resolve(spec: str, registry: Mapping[str, Ordering], kind: type[Ordering]) -> Ordering:
    if spec in registry:
        return registry[spec]
    path, colon, name = spec.rpartition(":")
    if not colon or not path.endswith(".py"):
        allowed = ", ".join(registry)
        raise UsageError(f"unknown ordering {spec!r}: one of {allowed}, or path/to/file.py:name")
    found = getattr(load_file(Path(path), "ordering"), name, None)
    if not isinstance(found, kind):
        raise UsageError(f"{path} has no {kind.__name__} named {name!r}")
    if not _NAME.fullmatch(found.name):
        allowed = "a letter or _, then letters, digits, _, - or ., 64 at most"
        raise UsageError(f"{path}: {name}: its name {found.name[:80]!a} is not {allowed}")
    return found
