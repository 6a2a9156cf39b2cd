"""A followed stream's buffer: held in order, released above a mark."""

import pytest

from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.following import Following, follow, release_after

TWO = (("5-1", "a"), ("5-10", "b"))


def test_to_the_client_every_entry_is_sent_and_moves_the_cursor() -> None:
    assert follow(None, "5-0", Sink.CLIENT).take(TWO) == (Following("5-10"), TWO)
    assert Following("5-0").take(()) == (Following("5-0"), ())


def test_a_buffer_holds_and_is_released_above_the_mark_compared_as_numbers() -> None:
    held, sent = follow(None, "5-0", Sink.BUFFER).take(TWO)
    assert (held, sent) == (Following("5-10", TWO), ())
    assert release_after(held, "5-9") == (Following("5-10"), (("5-10", "b"),))


def test_what_the_mark_is_ahead_of_is_left_out_when_it_comes() -> None:
    released, sent = release_after(follow(None, "5-0", Sink.BUFFER), "6-0")
    assert (released, sent) == (Following("6-0"), ())


@pytest.mark.parametrize("following", [None, Following("5-0")], ids=["none", "straight"])
def test_there_must_be_a_buffer_to_release(following: Following | None) -> None:
    with pytest.raises(OrderingError, match="a stream that it does not hold"):
        release_after(following, "5-0")


def test_nobody_follows_twice_or_from_nowhere() -> None:
    with pytest.raises(OrderingError, match="follows twice"):
        follow(Following("5-0"), "5-0", Sink.CLIENT)
    with pytest.raises(OrderingError, match="no stream cursor"):
        follow(None, "never", Sink.BUFFER)
