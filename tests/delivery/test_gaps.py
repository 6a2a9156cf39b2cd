"""A client that tracks sequence numbers asks for exactly what it misses."""

from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.gaps import GapTracker


def test_in_order_numbers_want_nothing() -> None:
    tracker = GapTracker()
    assert [tracker.receive(seq) for seq in (1, 2, 3)] == [True, True, True]
    assert tracker.wanted() is None


def test_a_hole_is_asked_for_once() -> None:
    tracker = GapTracker()
    for seq in (1, 2, 6):
        tracker.receive(seq)
    assert [tracker.wanted(), tracker.wanted()] == [(3, 5), None]


def test_a_heartbeat_lets_an_unanswered_hole_be_asked_for_again() -> None:
    tracker = GapTracker()
    tracker.receive(2)
    assert tracker.wanted() == (1, 1)
    tracker.learn_head(2)
    assert tracker.wanted() == (1, 1)


def test_a_hole_at_the_tail_shows_only_through_the_head() -> None:
    """Chunks 1..6 came, 7 was the last and is lost: no later chunk reveals it."""
    tracker = GapTracker()
    for seq in range(1, 7):
        tracker.receive(seq)
    assert tracker.wanted() is None
    tracker.learn_head(7)
    assert tracker.wanted() == (7, 7)


def test_a_repeated_number_is_not_new() -> None:
    tracker = GapTracker()
    assert [tracker.receive(seq) for seq in (1, 3, 3, 1)] == [True, True, False, False]


def test_a_hole_that_stays_hides_none_behind_it() -> None:
    """The producer took 1 and never wrote it; 3 was lost and can be fetched."""
    tracker = GapTracker()
    tracker.receive(2)
    tracker.learn_head(3)
    assert [tracker.wanted(), tracker.wanted(), tracker.wanted()] == [(1, 1), (3, 3), None]


def test_of_a_hole_that_has_grown_only_what_is_new_is_asked_for() -> None:
    tracker = GapTracker()
    tracker.learn_head(2)
    assert tracker.wanted() == (1, 2)
    tracker.receive(5)
    assert tracker.wanted() == (3, 4)


def test_a_resumed_client_starts_behind_what_it_has() -> None:
    tracker = GapTracker(after_seq=5)
    tracker.receive(8)
    assert tracker.wanted() == (6, 7)


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(0, 30))
def test_answering_every_wish_leaves_no_hole(received: list[int], head: int) -> None:
    tracker = GapTracker()
    for seq in received:
        tracker.receive(seq)
    tracker.learn_head(head)
    for _ in range(31):
        hole = tracker.wanted()
        if hole is None:
            break
        assert not set(range(hole[0], hole[1] + 1)) & set(received)
        for seq in range(hole[0], hole[1] + 1):
            assert tracker.receive(seq)
    assert tracker.missing() is None
    assert tracker.next_seq == max([head, *received], default=0) + 1


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(0, 30))
def test_the_missing_are_counted_over_all_holes(received: list[int], head: int) -> None:
    tracker = GapTracker()
    for seq in received:
        tracker.receive(seq)
    tracker.learn_head(head)
    top = max([head, *received], default=0)
    assert tracker.missing_count() == len(set(range(1, top + 1)) - set(received))


# --- epochs --------------------------------------------------------------------------------


def test_in_another_epoch_nothing_is_known_and_all_is_wanted() -> None:
    """Numbers began again at 1 while the client had 5: it took 1 to 5 for what it had."""
    tracker = GapTracker()
    tracker.learn_epoch("e1")
    for seq in (1, 2, 3, 4, 5):
        tracker.receive(seq)
    tracker.learn_epoch("e2")
    tracker.learn_head(3)
    assert tracker.wanted() == (1, 3)
    assert [tracker.receive(seq) for seq in (1, 2, 3)] == [True, True, True]
    assert tracker.resume_after == 3


def test_an_epoch_told_for_the_first_time_or_again_or_not_at_all_says_nothing() -> None:
    tracker = GapTracker()
    tracker.receive(1)
    for epoch in (None, "e1", "e1", None):
        tracker.learn_epoch(epoch)
    assert (tracker.resume_after, tracker.epoch) == (1, "e1")
    assert GapTracker.restored(tracker.snapshot()).epoch == "e1"
