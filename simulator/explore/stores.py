"""The in-memory store as an automaton: its states are integers, a command leads to the next.

Exploring asks the same command of the same content over and over; each is executed once, by
`MemoryStore` itself, and remembered.
"""

from collections.abc import Callable, Hashable
from typing import Any

from chunk7.delivery.chunk import notice
from chunk7.delivery.effects import (
    NEWEST,
    Append,
    AwaitReplicas,
    Begin,
    Clear,
    Cursor,
    NextSeq,
    NumberSaveAndPublish,
    Poke,
    Publish,
    ReadHead,
    ReadHistory,
    ReadStatus,
    ReadStream,
    ReadTail,
    Save,
    SaveAndPublish,
    SetStatus,
)
from chunk7.delivery.store import Key, MemoryStore, Snapshot
from chunk7.faults.fault import Forget, TrimTo
from chunk7.simulator.explore.schedule import SAME_MS
from chunk7.simulator.explore.state import SESSION

READS = frozenset((ReadHistory, ReadHead, ReadStream, ReadTail, ReadStatus))
WRITES = frozenset(
    (
        *(NextSeq, Publish, Save, SaveAndPublish, NumberSaveAndPublish, Append),
        *(Poke, AwaitReplicas, Begin, Clear, SetStatus),
    )
)


def execute(store: MemoryStore, session_id: str, effect: Any, *, same_ms: bool = False) -> Any:
    """Do one of READS or WRITES; the effect's answer. `same_ms` is for an Append."""
    match effect:
        case ReadHistory(after_seq, to_seq):
            return store.history(session_id, after_seq, to_seq)
        case ReadHead():
            return store.head(session_id)
        case ReadStream(after):
            return store.stream(session_id, after)
        case ReadTail():
            return store.tail(session_id)
        case ReadStatus():
            return store.status(session_id)
        case SetStatus(status):
            return store.set_status(session_id, status)
        case NextSeq():
            return store.next_seq(session_id)
        case Publish(chunk):
            return store.publish(chunk)
        case Save(chunk):
            return store.save(chunk)
        case SaveAndPublish(chunk):
            return store.save_and_publish(chunk)
        case NumberSaveAndPublish(chunk):
            return store.number_save_and_publish(chunk)[1]
        case Append(chunk):
            return store.append(chunk, same_ms=same_ms)
        case Poke():
            return store.publish(notice(session_id))
        case AwaitReplicas():
            return None
        case Begin():
            return store.begin(session_id)
        case Clear():
            return store.clear(session_id)
    raise TypeError(f"the store cannot execute {effect!r}")


class Stores:
    """Every content of the store that an exploration has come to. The first, 0, is empty."""

    def __init__(self, stream_max_entries: int | None) -> None:
        self._stream_max_entries = stream_max_entries
        self._snapshots: list[Snapshot] = []
        self._numbers: dict[Snapshot, int] = {}
        self._done: dict[tuple[int, Hashable], tuple[int, Any]] = {}
        self._number(MemoryStore(stream_max_entries))

    def after(
        self, store: int, key: Hashable, command: Callable[[MemoryStore], Any]
    ) -> tuple[int, Any]:
        """The content after the command, and its answer; `key` stands for the command."""
        known = self._done.get((store, key))
        if known is None:
            memory = MemoryStore.restored(self._snapshots[store], self._stream_max_entries)
            answer = command(memory)
            known = self._done[store, key] = (self._number(memory), answer)
        return known

    def execute(
        self, store: int, position: int, effect: Any, same_ms: bool = False
    ) -> tuple[int, Any]:
        """The content after an effect that an ordering asks for at the position, and its answer."""
        return self.after(
            store,
            (position, SAME_MS) if same_ms else position,
            lambda memory: execute(memory, SESSION, effect, same_ms=same_ms),
        )

    def suffered(self, store: int, consequence: Forget | TrimTo) -> int:
        """The content after the store has lost keys or entries."""

        def suffer(memory: MemoryStore) -> None:
            match consequence:
                case TrimTo(max_entries):
                    memory.trim(SESSION, max_entries)
                case Forget(None):
                    memory.expire(SESSION)
                case Forget(Key() as key):
                    memory.evict(SESSION, key)

        return self.after(store, consequence, suffer)[0]

    def rolled_back(self, store: int, before: int, clock_behind: bool) -> int:
        """The content with its keys as in an earlier one, and its clock if that is behind."""
        earlier = MemoryStore.restored(self._snapshots[before], self._stream_max_entries)
        return self.after(
            store,
            ("roll back", before, clock_behind),
            lambda memory: memory.roll_back(earlier, clock_behind=clock_behind),
        )[0]

    def kept(self, store: int) -> int:
        """The content without its Pub/Sub half: whoever reads keys sees no difference."""
        return self.after(store, "kept", lambda memory: memory.disconnect())[0]

    def newest(self, store: int) -> Cursor:
        """The id of the entry that was last appended, BEGINNING before the first."""
        read = self.after(store, "newest", lambda memory: memory.stream(SESSION, NEWEST))[1]
        cursor: Cursor = read.cursor
        return cursor

    def _number(self, memory: MemoryStore) -> int:
        snapshot = memory.snapshot()
        if snapshot not in self._numbers:
            self._numbers[snapshot] = len(self._snapshots)
            self._snapshots.append(snapshot)
        return self._numbers[snapshot]
