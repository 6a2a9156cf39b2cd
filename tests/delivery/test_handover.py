"""What a node sends one client of the live chunks, from the subscription on."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.handover import STRAIGHT, Handover, attach, check, hold, note, release
from chunk7.delivery.position import Position

CLIENT, BUFFER = Sink.CLIENT, Sink.BUFFER


def arrive(handover: Handover, *seqs: int) -> tuple[Handover, list[Any]]:
    """Live chunks come, one after the other; what is sent."""
    sent: list[Any] = []
    for seq in seqs:
        handover, items = handover.take(seq, seq)
        sent += items
    return handover, sent


def story(
    before: Iterable[int], known: Iterable[int], after: Iterable[int], after_seq: int = 0
) -> list[int]:
    """What a client is sent that comes after `after_seq`, with a release between the two."""
    handover, none = arrive(attach(None, BUFFER, after_seq), *before)
    assert none == []
    handover, held = release(handover, frozenset(known))
    return [*held, *arrive(handover, *after)[1]]


def test_without_a_buffer_everything_goes_straight() -> None:
    handover = attach(None, CLIENT, 5)
    assert arrive(handover, 3, 6, 6, 0) == (STRAIGHT, [3, 6, 6, 0])


def test_what_is_held_comes_by_number_and_without_what_is_known() -> None:
    assert story([4, 2, 3], known=[1, 2], after=[5]) == [3, 4, 5]


def test_what_is_known_is_left_out_after_the_release_too_until_the_first_above_it_all() -> None:
    assert story([], known=[1, 2], after=[2, 1, 3, 1]) == [3, 1]


def test_what_the_client_has_said_to_have_is_known_without_being_named() -> None:
    """Saved 1, got 1, came back after 1; the read had nothing new; 1 was still on its way."""
    assert story([], known=[], after=[1, 2], after_seq=1) == [2]
    assert story([1, 2], known=[], after=[3], after_seq=1) == [2, 3]


def test_a_held_chunk_above_all_that_is_known_does_not_end_the_leaving_out() -> None:
    assert story([3], known=[1, 2], after=[2]) == [3]


def test_a_chunk_without_a_number_is_never_left_out() -> None:
    """Nothing tells it from another: to leave one out may be to lose one."""
    assert story([0, 2, 0], known=[0, 2], after=[0, 2, 3], after_seq=1) == [0, 0, 0, 3]
    assert story([], known=[0], after=[0]) == [0]


def test_with_nothing_known_the_handover_is_over_at_the_release() -> None:
    assert release(attach(None, BUFFER, 0), frozenset({0})) == (STRAIGHT, ())


def test_a_join_subscribes_once_and_releases_once_and_only_a_buffer() -> None:
    for handover in (STRAIGHT, attach(None, BUFFER, 0)):
        with pytest.raises(OrderingError, match="subscribes twice"):
            attach(handover, BUFFER, 0)
    released, _ = release(attach(None, BUFFER, 3), frozenset())
    for handover in (None, STRAIGHT, released):
        with pytest.raises(OrderingError, match="releases a buffer that it does not have"):
            release(handover, frozenset())


def test_many_chunks_can_be_held() -> None:
    assert story(range(100_000, 0, -1), known=[], after=[]) == list(range(1, 100_001))


def at(top: int, *missing: int) -> Handover:
    """The handover of a client that was sent everything up to `top`, but for these."""
    return Handover(CLIENT, position=Position(top, frozenset(missing)))


def test_at_a_position_the_next_comes_at_once_and_what_was_sent_is_left_out() -> None:
    assert arrive(at(2), 2, 3, 1, 3, 4, 0) == (at(4), [3, 4, 0])


def test_a_chunk_that_is_not_the_next_is_held_with_all_that_follow() -> None:
    handover, sent = arrive(at(2), 3, 5, 6)
    assert (handover.sink, handover.position, sent) == (BUFFER, Position(3), [3])
    noted = note(handover, [4])
    assert noted is not None
    assert release(noted, frozenset({4})) == (at(6), (5, 6))


def test_what_a_recovery_did_not_find_is_missing_and_sent_if_it_comes() -> None:
    handover, sent = arrive(at(2), 4)
    assert (release(handover, frozenset()), sent) == ((at(4, 3), (4,)), [])
    assert arrive(at(4, 3), 3, 5) == (at(5), [3, 5])


def test_what_was_read_before_a_recovery_was_broken_off_is_not_read_again() -> None:
    """Lost the store between sending the history and the release: 1 was sent twice."""
    assert note(hold(at(0)), [1]) == hold(at(1))
    assert note(None, [1]) is None
    assert note(STRAIGHT, [1]) is STRAIGHT


def test_a_heartbeat_holds_who_is_behind() -> None:
    assert check(at(2), 3) == hold(at(2))
    assert check(at(2, 1), 2) == hold(at(2, 1))
    assert check(at(2), 2) is check(None, 2) is check(STRAIGHT, 2) is None


def test_a_head_below_the_position_begins_anew() -> None:
    assert check(at(5), 2) == hold(at(0))


def test_a_position_needs_a_buffer_to_begin_with() -> None:
    assert attach(None, BUFFER, 3, positioned=True) == hold(at(3))
    with pytest.raises(OrderingError, match="subscribes into a buffer"):
        attach(None, CLIENT, 3, positioned=True)


@given(st.integers(0, 8), st.data())
def test_with_chunks_in_their_order_each_comes_once_and_none_is_lost(
    after_seq: int, data: st.DataObject
) -> None:
    """The node hears of `first` and all that follow, the read has all from after_seq to `read`.

    Sound when it read no earlier than it heard: then what comes is what is above both.
    """
    last = data.draw(st.integers(after_seq, 12))
    first = data.draw(st.integers(1, last + 1))
    read = data.draw(st.integers(max(first - 1, after_seq), max(last, first - 1, after_seq)))
    released = data.draw(st.integers(first, last + 1))
    history = range(after_seq + 1, read + 1)
    sent = story(range(first, released), history, range(released, last + 1), after_seq)
    assert [*history, *sent] == list(range(after_seq + 1, max(last, read) + 1))
