"""A client's position: what was sent, what is missing in between, and when it is behind."""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import Confirmed, ReadHistory, Release, SendHistory
from chunk7.delivery.position import MAX_MISSING, Position
from chunk7.delivery.recovery import recover
from chunk7.delivery.stepping import Steps


def test_numbers_that_are_skipped_are_missing_until_they_are_sent() -> None:
    position = Position().sent([1, 2]).sent([5])
    assert position == Position(5, frozenset({3, 4}))
    assert position.gapless == 2
    assert [position.lacks(seq) for seq in (2, 3, 5, 6)] == [False, True, False, True]
    assert position.sent([4]).sent([3]) == Position(5)
    assert Position(5).gapless == 5


def test_a_chunk_without_a_number_moves_nothing() -> None:
    assert Position(3).sent([0]) == Position(3).sent([]) == Position(3)


def test_who_is_not_at_the_head_or_misses_something_is_behind() -> None:
    assert Position(5).behind(6)
    assert Position(5, frozenset({3})).behind(5)
    assert not Position(5).behind(5)
    assert Position(5).behind(2)  # the numbers have begun anew


def test_no_more_is_remembered_as_missing_than_may_be() -> None:
    position = Position(3, frozenset({1})).sent([10_000_000])
    assert len(position.missing) == MAX_MISSING
    assert min(position.missing) == 10_000_000 - MAX_MISSING


def test_a_recovery_sends_what_the_history_has_and_the_client_lacks() -> None:
    chunks = {seq: Chunk("s", "m", seq - 1, "", seq=seq) for seq in (2, 3, 4)}
    steps = Steps(recover(Position(3, frozenset({2}))))
    assert steps.effect == Confirmed()
    steps.advance(None)
    assert steps.effect == ReadHistory(after_seq=1)
    steps.advance(tuple(chunks.values()))
    assert steps.effect == SendHistory((chunks[2], chunks[4]))
    steps.advance(None)
    assert steps.effect == Release(known=frozenset({2, 4}))


def test_a_recovery_that_finds_nothing_sends_no_frame() -> None:
    steps = Steps(recover(Position(3)))
    steps.advance(None)
    steps.advance(())
    assert steps.effect == Release(known=frozenset())
