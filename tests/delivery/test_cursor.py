"""Cursors are two numbers, and what is none is refused wherever it is used."""

import pytest

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.cursor import cursor_of, entry_id, next_id
from chunk7.delivery.effects import BEGINNING, NEWEST
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.store import MemoryStore

LARGEST = 2**64 - 1


def test_ids_compare_as_numbers_and_not_as_text() -> None:
    assert entry_id("9-10") > entry_id("9-9") > entry_id("8-11") > entry_id(BEGINNING)


@pytest.mark.parametrize(("text", "means"), [("5", (5, 0)), ("0", (0, 0)), ("05-01", (5, 1))])
def test_what_a_store_takes_for_an_id(text: str, means: tuple[int, int]) -> None:
    assert entry_id(text) == means


@pytest.mark.parametrize(
    "text",
    ["", "-", "+", NEWEST, ">", "*", "abc", "5-", "-5", "5-*", "5-1-1", "5.0", "5_0", "5 ",
     "\N{ARABIC-INDIC DIGIT FIVE}", str(LARGEST + 1), f"{LARGEST}-{LARGEST}", None, 5, b"5-0"],
)  # fmt: skip
def test_what_is_no_id_is_refused(text: object) -> None:
    with pytest.raises(OrderingError, match="is no stream cursor"):
        entry_id(text)


def test_ids_ascend_even_where_the_clock_does_not() -> None:
    assert next_id((0, 0), 7) == (7, 0)
    assert next_id((7, 0), 7) == next_id((7, 0), 3) == (7, 1)
    assert next_id((7, 1), 8) == (8, 0)
    assert next_id((7, LARGEST), 7) == (8, 0)


def test_an_entry_of_the_same_millisecond_is_after_the_last_and_not_after_the_one_made_up() -> None:
    """Entries were numbered n-0, and what is behind the dash made no difference."""
    store = MemoryStore()
    first = store.append(Chunk("s", "m", 0, "a"))
    second = store.append(Chunk("s", "m", 1, "b"), same_ms=True)
    milliseconds, serial = entry_id(first)
    assert second == cursor_of((milliseconds, serial + 1))
    assert [chunk.index for chunk in store.stream("s", first).chunks] == [1]
    assert store.stream("s", second).chunks == ()
    assert store.stream("s", NEWEST).cursor == second


def test_expired_keys_are_empty_and_the_clock_has_gone_on() -> None:
    store = MemoryStore()
    chunk = Chunk("s", "m", 0, "a", seq=1)
    store.next_seq("s")
    store.save(chunk)
    before = store.append(chunk)
    store.expire("s")
    assert (store.head("s"), store.history("s"), store.stream("s", BEGINNING).chunks) == (0, (), ())
    assert store.stream("s", NEWEST).cursor == BEGINNING
    assert entry_id(store.append(chunk)) > entry_id(before)
