"""A client policy of somebody's own: found in a file, and held to its protocol.

`path/to/file.py:Name` is a class without arguments or an object (docs/your-own-client.md).
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import ClientModel, SeqRange, Taken
from chunk7.delivery.clients import CLIENTS
from chunk7.delivery.cursor import entry_id
from chunk7.delivery.effects import Cursor
from chunk7.delivery.errors import OrderingError, UsageError
from chunk7.delivery.frames import Frame
from chunk7.delivery.user_file import load_file

_METHODS = ("start", "take", "ask", "misses", "resume_after")
_FLAGS = ("asks", "reads_cursors")
MAX_WANTED = 10_000
"""Numbers in one fetch: a node refuses more."""


class OwnClient:
    """The policy, and one clear line for whatever it does wrong. `name` is how it was named.

    Raises OrderingError from each method, UsageError for what has not all of them.
    """

    def __init__(self, name: str, model: Any) -> None:
        lacks = [each for each in (*_METHODS, *_FLAGS) if not hasattr(model, each)]
        if lacks:
            raise UsageError(f"{name} lacks {', '.join(lacks)}: let it be a subclass of TakesAll")
        self.name = name
        self.asks = bool(model.asks)
        self.reads_cursors = bool(model.reads_cursors)
        self._model = model

    def start(self) -> Hashable:
        return self._memory("start", self._call("start"))

    def take(self, memory: Any, frame: Frame) -> Taken:
        after, shown = self._pair("take", self._call("take", memory, frame))
        if not isinstance(shown, tuple | list) or not all(isinstance(c, Chunk) for c in shown):
            raise self._wrong("take", shown, "the chunks shown, a tuple, are second")
        return self._memory("take", after), tuple(shown)

    def ask(self, memory: Any) -> tuple[Hashable, SeqRange | None]:
        after, wanted = self._pair("ask", self._call("ask", memory))
        if wanted is not None and not _is_range(wanted):
            allowed = f"second is None or a pair of numbers from 1 on, {MAX_WANTED} at most"
            raise self._wrong("ask", wanted, allowed)
        return self._memory("ask", after), wanted

    def misses(self, memory: Any) -> bool:
        return bool(self._call("misses", memory))

    def resume_after(self, memory: Any) -> int | Cursor:
        resume = self._call("resume_after", memory)
        try:
            if (type(resume) is int and resume >= 0) or entry_id(resume):
                return resume  # type: ignore[no-any-return]
        except OrderingError:
            pass
        raise self._wrong("resume_after", resume, "a number from 0 on, or a stream's cursor")

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._model, method)(*arguments)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise OrderingError(f"{self.name}: {method}: {told}") from error

    def _memory(self, method: str, memory: Any) -> Hashable:
        try:
            hash(memory)
        except TypeError as error:
            told = f"a memory must be hashable, of tuples and frozensets: {error}"
            raise OrderingError(f"{self.name}: {method}: {told}") from error
        return memory  # type: ignore[no-any-return]

    def _pair(self, method: str, answer: Any) -> tuple[Any, Any]:
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise self._wrong(method, answer, "a pair, the memory first")
        return answer

    def _wrong(self, method: str, answer: Any, allowed: str) -> OrderingError:
        return OrderingError(f"{self.name}: {method}: {repr(answer)[:80]}: want {allowed}")


def resolve_client(spec: str, option: str = "", folder: Path | None = None) -> ClientModel:
    """The policy that `spec` names: one of CLIENTS, or `path/to/file.py:Name`.

    Paths are relative to `folder`. Raises UsageError in one line, which begins with `option`.
    """
    try:
        return OwnClient(spec, CLIENTS[spec] if spec in CLIENTS else _loaded(spec, folder))
    except (UsageError, OrderingError) as error:
        raise UsageError(f"{option}: {error}" if option else str(error)) from error


def _loaded(spec: str, folder: Path | None) -> Any:
    path, colon, name = spec.rpartition(":")
    if not colon or not path.endswith(".py"):
        allowed = ", ".join(CLIENTS)
        raise UsageError(f"unknown client {spec!r}: one of {allowed}, or path/to/file.py:Name")
    found = getattr(load_file((folder or Path()) / path, "client"), name, None)
    if found is None:
        raise UsageError(f"{path} has nothing named {name!r}")
    try:
        return found() if isinstance(found, type) else found
    except Exception as error:
        raise UsageError(f"{spec}: {type(error).__name__}: {error}") from error


def _is_range(wanted: Any) -> bool:
    if not isinstance(wanted, tuple) or [type(end) for end in wanted] != [int, int]:
        return False
    first, last = wanted
    return bool(1 <= first <= last < first + MAX_WANTED)
