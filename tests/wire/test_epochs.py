"""Whoever takes a number that was given out before begins an epoch; nobody else does."""

import pytest

from chunk7.delivery.chunk import Chunk, epoch_key, seq_key
from chunk7.wire.store import epochs
from chunk7.wire.store.epochs import Epochs
from chunk7.wire.store.heads import session_epoch
from chunk7.wire.store.store import Store


def drawn() -> Epochs:
    """Epochs that are called e1, e2, ... as they are drawn."""
    names = iter(f"e{number}" for number in range(1, 100))
    return Epochs(lambda: next(names))


def test_numbers_that_go_on_are_of_one_epoch() -> None:
    known = drawn()
    assert [known.took("s", seq) for seq in (1, 2, 3, 7)] == ["e1", None, None, None]


@pytest.mark.parametrize("again", [1, 3, 7])
def test_a_number_that_was_taken_before_begins_another(again: int) -> None:
    known = drawn()
    for seq in (1, 7):
        known.took("s", seq)
    assert known.took("s", again) == "e2"
    assert known.took("s", again + 1) is None


def test_a_producer_that_came_later_begins_one_with_a_first_number_only() -> None:
    known = drawn()
    assert known.took("s", 51) is None
    assert known.took("t", 1) == "e2"


def test_commands_under_way_together_begin_the_same_one() -> None:
    known = drawn()
    known.took("s", 50)
    asked = [known.next("s") for _ in range(3)]
    assert asked == [(50, "e1")] * 3
    assert [known.took("s", seq) for seq in (3, 4, 5)] == ["e1", None, None]


def test_the_session_known_longest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "MAX_SESSIONS", 2)
    known = drawn()
    for session in ("a", "b", "c"):
        known.took(session, 9)
    assert known.next("b")[0] == 9
    assert known.next("a")[0] == 0


@pytest.mark.parametrize("lua", [True, False])
async def test_a_store_s_epoch_is_there_with_its_first_number_and_stays_until_numbers_come_again(
    store_url: str, lua: bool
) -> None:
    """A counter that was evicted gave 1 again: nobody who had 1 before could tell the two."""
    store = await Store.open(store_url, epochs=drawn())

    async def take() -> str | None:
        if lua:
            await store.number_save_and_publish(Chunk("s", "m", 0, "a"))
        else:
            await store.next_seq("s")
        return await session_epoch(store, "s")

    assert await session_epoch(store, "s") is None
    assert [await take() for _ in range(3)] == ["e1", "e1", "e1"]
    await store.link.send("SET", seq_key("s"), 1)  # as of a snapshot: 2 and 3 come again
    assert [await take(), await take()] == ["e2", "e2"]
    await store.link.send("DEL", seq_key("s"), epoch_key("s"))
    assert [await take(), await take()] == ["e3", "e3"]
    await store.close()


async def test_without_epochs_numbers_are_taken_and_no_more(store_url: str) -> None:
    store = await Store.open(store_url)
    await store.number_save_and_publish(Chunk("s", "m", 0, "a"))
    assert await store.next_seq("s") == 2
    assert await session_epoch(store, "s") is None
    await store.close()
