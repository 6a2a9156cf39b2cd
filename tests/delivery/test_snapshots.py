"""Store and gap tracker can be put away as a value and taken up again."""

from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.gaps import GapTracker
from chunk7.delivery.store import MemoryStore

SESSION = "s"
COMMANDS = st.lists(st.sampled_from(["subscribe", "publish", "save", "lua", "append", "trim"]))


def perform(store: MemoryStore, commands: list[str]) -> None:
    """Run a script, numbering chunks by their place in it."""
    for index, command in enumerate(commands):
        chunk = Chunk(SESSION, "m", index, "text", seq=index + 1)
        match command:
            case "subscribe":
                store.subscribe("node", SESSION)
            case "publish":
                store.publish(chunk)
            case "save":
                store.save(chunk)
            case "lua":
                store.number_save_and_publish(chunk)
            case "append":
                store.append(chunk)
            case "trim":
                store.trim(SESSION, 2)


@given(COMMANDS, COMMANDS, st.sampled_from([None, 2]))
def test_a_restored_store_goes_on_as_the_original(
    before: list[str], after: list[str], stream_max_entries: int | None
) -> None:
    store = MemoryStore(stream_max_entries)
    perform(store, before)
    restored = MemoryStore.restored(store.snapshot(), stream_max_entries)
    assert restored.snapshot() == store.snapshot()
    perform(store, after)
    perform(restored, after)
    assert restored.snapshot() == store.snapshot()


def test_reading_does_not_change_the_snapshot() -> None:
    store = MemoryStore()
    empty = store.snapshot()
    store.history(SESSION)
    store.head(SESSION)
    store.stream(SESSION, "0-0")
    store.unsubscribe("node", SESSION)
    assert store.snapshot() == empty
    assert hash(empty) == hash(MemoryStore().snapshot())


def test_trim_keeps_the_newest() -> None:
    store = MemoryStore()
    perform(store, ["save", "append", "save", "append", "save", "append"])
    store.trim(SESSION, 1)
    assert [chunk.index for chunk in store.history(SESSION)] == [4]
    assert [chunk.index for chunk in store.stream(SESSION, "0-0").chunks] == [5]


@given(st.lists(st.integers(1, 9)), st.lists(st.integers(1, 9)), st.integers(0, 9))
def test_a_restored_tracker_goes_on_as_the_original(
    before: list[int], after: list[int], head: int
) -> None:
    tracker = GapTracker()
    for seq in before:
        tracker.receive(seq)
        tracker.wanted()
    tracker.learn_head(head)
    restored = GapTracker.restored(tracker.snapshot())
    assert [restored.receive(seq) for seq in after] == [tracker.receive(seq) for seq in after]
    assert restored.wanted() == tracker.wanted()
    assert restored.snapshot() == tracker.snapshot()
