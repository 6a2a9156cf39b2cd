"""What one client received: tiny answers, and the whole of what is said of each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.instruments.recordings.judging import NotJudged
from chunk7.instruments.steer.judging import ExpectedPiece, JudgedVisit, judge
from chunk7.loadtest.targets.frame_reader import Sighting

WORDS = ("Once ", "upon ", "a ", "time ")
BY_SEQ = [ExpectedPiece(word, i, i + 1, "s-m") for i, word in enumerate(WORDS)]
BY_INDEX = [ExpectedPiece(word, i, None, "s-m") for i, word in enumerate(WORDS)]
BY_TEXT = [ExpectedPiece(word) for word in WORDS]
UNSEEN = [ExpectedPiece(None, i, i + 1) for i in range(4)]
NOTHING: tuple[int, ...] = ()


def by_seq(*numbers: int) -> list[Sighting]:
    return [Sighting(seq=n, text=WORDS[n - 1]) for n in numbers]


def by_index(*indexes: int) -> list[Sighting]:
    return [Sighting(message_id="theirs", index=i, text=WORDS[i]) for i in indexes]


def by_text(*texts: str) -> list[Sighting]:
    return [Sighting(text=text) for text in texts]


@pytest.mark.parametrize(
    ("expected", "seen", "judged"),
    [
        (BY_SEQ, by_seq(1, 2, 3, 4), JudgedVisit(4, NOTHING, NOTHING, NOTHING, 0, "seq")),
        (BY_SEQ, by_seq(1, 3, 4), JudgedVisit(4, (1,), NOTHING, NOTHING, 0, "seq")),
        (BY_SEQ, by_seq(1, 2), JudgedVisit(4, (2, 3), NOTHING, NOTHING, 0, "seq")),
        (BY_SEQ, by_seq(1, 2, 2, 3, 4, 2), JudgedVisit(4, NOTHING, (1, 1), NOTHING, 0, "seq")),
        (BY_SEQ, by_seq(3, 1, 2, 4), JudgedVisit(4, NOTHING, NOTHING, (0, 1), 0, "seq")),
        (
            BY_SEQ,
            [*by_seq(1, 2, 3), Sighting(seq=4, text="tim"), Sighting(seq=9, text="x")],
            JudgedVisit(4, (3,), NOTHING, NOTHING, 2, "seq"),
        ),
        (BY_INDEX, by_index(0, 2, 3), JudgedVisit(4, (1,), NOTHING, NOTHING, 0, "index")),
        (BY_SEQ, by_index(0, 2, 3), JudgedVisit(4, (1,), NOTHING, NOTHING, 0, "index")),
        (
            BY_TEXT,
            by_text("Once upon ", "ti", "me "),
            JudgedVisit(4, (2,), NOTHING, NOTHING, 0, "text"),
        ),
        (
            BY_TEXT,
            by_text("Once upon a ", "upon ", "a ", "time "),
            JudgedVisit(4, NOTHING, (1, 2), NOTHING, 0, "text"),
        ),
        (
            BY_TEXT,
            [Sighting(text=""), *by_text(*WORDS), Sighting()],
            JudgedVisit(4, NOTHING, NOTHING, NOTHING, 0, "text"),
        ),
        (UNSEEN, by_seq(1, 3, 4), JudgedVisit(4, (1,), NOTHING, NOTHING, 0, "seq")),
        (BY_SEQ, [], JudgedVisit(4, (0, 1, 2, 3), NOTHING, NOTHING, 0, "text")),
        ([], [], JudgedVisit(0, NOTHING, NOTHING, NOTHING, 0, "text")),
    ],
    ids=[
        *("all", "a hole", "the tail", "twice and thrice", "late", "altered, and nobody's"),
        *("by index", "an index under another message's name", "text cut elsewhere"),
        *("a history, and again live", "frames that say nothing", "texts that nobody knows"),
        *("nothing came", "nothing was owed"),
    ],
)
def test_a_visit_is_judged(
    expected: list[ExpectedPiece], seen: list[Sighting], judged: JudgedVisit
) -> None:
    assert judge(expected, seen) == judged


def test_a_number_that_the_expected_do_not_have_does_not_count() -> None:
    """A finished answer is one text; an app that numbers its frames got all of them unexpected."""
    whole = [ExpectedPiece("".join(WORDS))]
    assert judge(whole, by_index(0, 1, 2, 3)) == JudgedVisit(
        1, NOTHING, NOTHING, NOTHING, 0, "text"
    )
    assert judge(whole, by_index(0, 1, 3)).missing == (0,)


@pytest.mark.parametrize(
    ("expected", "seen"),
    [(UNSEEN, by_text(*WORDS)), (BY_SEQ, [Sighting(message_id="m")] * 4), (BY_TEXT, [Sighting()])],
)
def test_frames_that_tell_no_chunk_apart_are_no_loss(
    expected: list[ExpectedPiece], seen: list[Sighting]
) -> None:
    """Else a rule without text, index and seq would make every system lose every chunk."""
    with pytest.raises(NotJudged, match="no frame says which chunk it brings"):
        judge(expected, seen)


@given(st.lists(st.integers(1, 4), max_size=12))
def test_by_number_what_is_missing_and_what_came_again_foot_with_what_came(
    numbers: list[int],
) -> None:
    judged = judge(BY_SEQ, by_seq(*numbers))
    assert set(judged.missing) == set(range(4)) - {n - 1 for n in numbers}
    assert len(judged.duplicates) == len(numbers) - len(set(numbers))
    assert judged.unexpected == 0
