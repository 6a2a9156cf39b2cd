"""Which chunks a connection received, told by number, by index, and by the text alone."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunk7.analysis import alignment as module
from chunk7.analysis.alignment import (
    LOOK_AHEAD,
    MOST_PLACES,
    MOST_SOURCES,
    MOST_TRIES,
    Alignment,
    ExpectedChunk,
    ReceivedPiece,
    SessionText,
    Stretch,
    align,
)

WORDS = ("The ", "chunk ", "that ", "fell ", "between ", "two ", "stools ", "is ", "lost.")


def session(texts: Iterable[str], message_id: str = "m") -> SessionText:
    return SessionText([ExpectedChunk(n + 1, message_id, n, text) for n, text in enumerate(texts)])


def by_text(texts: Iterable[str], after: int = 0, of: Iterable[str] = WORDS) -> Alignment:
    return align(session(of), [ReceivedPiece(text=text) for text in texts], after)


def chunks(found: Alignment) -> list[int]:
    return [place for places in found.completed for place in places]


def runs(stretches: tuple[Stretch, ...]) -> list[tuple[int, int]]:
    return [(one.first, one.last) for one in stretches]


# --- literal histories ---------------------------------------------------------------------


def test_all_of_an_answer_is_all_of_its_chunks() -> None:
    found = by_text(WORDS)
    assert found.completed == tuple((n,) for n in range(9))
    assert (found.by, found.holes, found.repeats, found.swaps) == ("text", (), (), ())


def test_a_hole_has_its_chunks_its_characters_and_the_piece_that_showed_it() -> None:
    found = by_text([*WORDS[:3], *WORDS[5:]])
    assert found.holes == (Stretch(first=3, last=4, at=15, characters=13, piece=3),)


def test_a_history_joined_into_one_text_is_several_chunks() -> None:
    found = by_text(["".join(WORDS[:6]), *WORDS[6:]])
    assert found.completed[0] == (0, 1, 2, 3, 4, 5)


def test_a_hole_inside_a_joined_history_is_found() -> None:
    found = by_text(["".join(WORDS[:2] + WORDS[3:6]), *WORDS[6:]])
    assert found.completed[0] == (0, 1, 3, 4, 5)
    assert runs(found.holes) == [(2, 2)]


def test_history_and_live_that_overlap_repeat_what_both_have() -> None:
    found = by_text(["".join(WORDS[:6]), *WORDS[4:]])
    assert runs(found.repeats) == [(4, 5)]
    assert found.repeats[0].piece == 1


def test_two_that_came_in_the_wrong_order_are_a_swap_and_no_hole() -> None:
    found = by_text([*WORDS[:3], WORDS[4], WORDS[3], *WORDS[5:]])
    assert runs(found.swaps) == [(3, 3)]
    assert (found.holes, found.repeats) == ((), ())


def test_a_chunk_is_received_with_its_last_part() -> None:
    found = by_text(["Th", "e ch", "unk ", "that "])
    assert found.completed == ((), (0,), (1,), (2,))


def test_a_chunk_of_which_a_part_is_missing_is_not_received() -> None:
    found = by_text(["The ", "ch", "that "])
    assert chunks(found) == [0, 2]
    assert runs(found.holes) == [(1, 1)]


def test_a_piece_may_end_one_chunk_and_begin_another_beyond_a_hole() -> None:
    found = by_text(["The chu", "nk fe", "ll between "])
    assert found.completed == ((0,), (1,), (3, 4))
    assert runs(found.holes) == [(2, 2)]


def test_what_follows_a_hole_may_begin_as_the_missing_chunk_does() -> None:
    """ "ba" went on as "bar" would have, and the hole was put inside two words."""
    found = by_text(["foo", "ba", "z", "end"], of=("foo", "bar", "baz", "end"))
    assert chunks(found) == [0, 2, 3]
    assert runs(found.holes) == [(1, 1)]


def test_text_that_was_never_published_is_unexpected_and_moves_nothing() -> None:
    found = by_text([*WORDS[:4], "BETWEEN ", *WORDS[5:]])
    assert found.unexpected == tuple(n == 4 for n in range(9))
    assert runs(found.holes) == [(4, 4)]


def test_one_altered_chunk_in_a_history_does_not_cost_the_others() -> None:
    """All of a joined history was unexpected, and every chunk in it lost, for one wrong letter."""
    found = by_text(["".join(WORDS[:3]) + "FELL " + "".join(WORDS[4:7]), *WORDS[7:]])
    assert found.completed[0] == (0, 1, 2, 4, 5, 6)
    assert found.unexpected == (True, False, False)
    assert runs(found.holes) == [(3, 3)]


def test_what_stands_between_two_messages_of_a_history_is_unexpected_alone() -> None:
    found = by_text(["".join(WORDS[:5]) + "\n---\n" + "".join(WORDS[5:])])
    assert (chunks(found), found.unexpected, found.holes) == (list(range(9)), (True,), ())


def test_a_word_that_comes_often_is_the_one_that_fits_what_follows() -> None:
    text = ["the ", "cat ", "and ", "the ", "dog ", "and ", "the ", "cow "]
    found = by_text(["the ", "cat ", "and ", "the ", "cow "], of=text)
    assert runs(found.holes) == [(4, 6)]
    assert chunks(found) == [0, 1, 2, 3, 7]


def test_where_equal_chunks_leave_open_which_is_missing_the_hole_says_so() -> None:
    found = by_text(["a", "ha", "b"], of=("a", "ha", "ha", "b"))
    assert [(one.first, one.last, one.ambiguous) for one in found.holes] == [(2, 2, True)]


def test_a_client_that_resumes_goes_on_where_it_said_it_was() -> None:
    text = ["ha "] * 6 + ["end"]
    found = by_text(["ha ", "ha ", "ha ", "end"], after=9, of=text)
    assert chunks(found) == [3, 4, 5, 6]
    assert found.holes == found.repeats == ()


def test_a_client_that_resumes_inside_a_chunk_has_the_beginning_of_it() -> None:
    assert by_text(["unk ", "that "], after=6).completed == ((1,), (2,))


def test_a_client_that_joins_live_has_a_hole_at_the_start() -> None:
    assert runs(by_text(WORDS[4:]).holes) == [(0, 3)]


def test_a_number_names_the_chunk_whatever_its_text_is_like() -> None:
    pieces = [ReceivedPiece(seq=n) for n in (1, 2, 4, 4, 3)]
    found = align(session(["same"] * 4), pieces)
    assert chunks(found) == [0, 1, 3, 3, 2]
    assert (found.by, runs(found.repeats), runs(found.swaps)) == ("seq", [(3, 3)], [(2, 2)])


def test_a_numbered_chunk_with_another_text_is_unexpected() -> None:
    pieces = [ReceivedPiece(seq=1, text="The "), ReceivedPiece(seq=2, text="hunk ")]
    assert align(session(WORDS), pieces).unexpected == (False, True)


def test_an_index_alone_is_of_the_message_that_fits() -> None:
    two = [
        ExpectedChunk(message * 3 + index + 1, f"m{message}", index, f"{message}{index}")
        for message in range(2)
        for index in range(3)
    ]
    found = align(SessionText(two), [ReceivedPiece(index=n) for n in (0, 1, 2, 0, 1, 2)])
    assert (chunks(found), found.by) == ([0, 1, 2, 3, 4, 5], "index")
    found = align(SessionText(two), [ReceivedPiece(index=1, message_id="m1")])
    assert chunks(found) == [4]


def test_a_message_named_by_the_target_itself_is_told_by_its_indexes() -> None:
    pieces = [ReceivedPiece(message_id="theirs", index=n, text=WORDS[n]) for n in range(3)]
    found = align(session(WORDS), pieces)
    assert (chunks(found), found.by) == ([0, 1, 2], "index")


def test_a_message_id_narrows_the_text_down() -> None:
    two = [ExpectedChunk(n + 1, f"m{n // 2}", n % 2, "ab"[n % 2]) for n in range(4)]
    found = align(SessionText(two), [ReceivedPiece(text="b", message_id="m1")])
    assert chunks(found) == [3]


def test_a_history_without_numbers_may_come_before_numbered_chunks() -> None:
    pieces = [ReceivedPiece(text="".join(WORDS[:4])), *(ReceivedPiece(seq=n) for n in (6, 7))]
    found = align(session(WORDS), pieces)
    assert (chunks(found), runs(found.holes)) == ([0, 1, 2, 3, 5, 6], [(4, 4)])
    assert found.by == "text"


def test_what_says_it_is_of_another_session_is_unexpected() -> None:
    found = align(session(WORDS), [ReceivedPiece(text="The ", seq=1, foreign=True)])
    assert (found.unexpected, found.completed) == ((True,), ((),))


def test_an_empty_piece_is_neither_a_chunk_nor_unexpected() -> None:
    found = by_text(["", "The "])
    assert (found.completed, found.unexpected) == (((), (0,)), (False, False))


def test_a_session_that_nobody_published_explains_nothing() -> None:
    found = by_text(["The "], of=())
    assert (found.completed, found.unexpected) == (((),), (True,))


# --- laws ----------------------------------------------------------------------------------

DISTINCT = st.integers(2, 30).map(lambda count: [f"<{n}>" for n in range(count)])
"""Texts of which none is in another. Cut, they share parts: then several readings can be right."""
UNLIKE = st.lists(st.integers(1, 4), min_size=2, max_size=30).map(
    lambda sizes: ["".join(map(chr, range(9_000 + 8 * n, 9_000 + 8 * n + size)))
                   for n, size in enumerate(sizes)]
)  # fmt: skip
"""Texts that have no character in common."""


@st.composite
def cut_anywhere(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=12)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if text[a:b]]


@given(st.data(), UNLIKE)
def test_a_run_that_is_dropped_is_found_however_the_rest_was_cut(
    data: st.DataObject, texts: list[str]
) -> None:
    first = data.draw(st.integers(0, len(texts) - 2))
    last = data.draw(st.integers(first, len(texts) - 2))
    kept = [*texts[:first], *texts[last + 1 :]]
    for pieces in (kept, data.draw(cut_anywhere("".join(kept)))):
        found = by_text(pieces, of=texts)
        assert (runs(found.holes), found.repeats, found.swaps) == ([(first, last)], (), ())
        assert chunks(found) == [n for n in range(len(texts)) if not first <= n <= last]
        assert not any(found.unexpected)


@given(st.data(), UNLIKE)
def test_a_run_that_is_repeated_is_found_however_all_was_cut(
    data: st.DataObject, texts: list[str]
) -> None:
    first = data.draw(st.integers(0, len(texts) - 1))
    last = data.draw(st.integers(first, len(texts) - 1))
    came = [*texts[: last + 1], *texts[first:]]
    for pieces in (came, data.draw(cut_anywhere("".join(came)))):
        found = by_text(pieces, of=texts)
        assert (runs(found.repeats), found.holes, found.swaps) == ([(first, last)], (), ())


@given(st.data(), UNLIKE)
def test_two_neighbours_that_are_swapped_are_found(data: st.DataObject, texts: list[str]) -> None:
    first = data.draw(st.integers(0, len(texts) - 2))
    came = [*texts[:first], texts[first + 1], texts[first], *texts[first + 2 :]]
    for pieces in (came, data.draw(cut_anywhere("".join(came)))):
        found = by_text(pieces, of=texts)
        assert (runs(found.swaps), found.holes, found.repeats) == ([(first, first)], (), ())


@given(DISTINCT.flatmap(lambda texts: st.tuples(
    st.just(texts), st.lists(st.integers(0, len(texts) - 1), max_size=40)
)))  # fmt: skip
def test_numbers_and_distinct_texts_tell_the_same(case: tuple[list[str], list[int]]) -> None:
    texts, order = case
    told = by_text([texts[n] for n in order], of=texts)
    numbered = align(session(texts), [ReceivedPiece(seq=n + 1, text=texts[n]) for n in order])
    indexed = align(session(texts), [ReceivedPiece(index=n) for n in order])
    for other in (numbered, indexed):
        assert told.completed == other.completed
        for name in ("holes", "repeats", "swaps"):
            assert getattr(told, name) == getattr(other, name)


SHORT = st.text("ab ", max_size=4)
PIECE = st.builds(
    ReceivedPiece,
    text=st.none() | SHORT,
    seq=st.none() | st.integers(-1, 9),
    message_id=st.none() | st.sampled_from("mn"),
    index=st.none() | st.integers(-1, 4),
    foreign=st.booleans(),
)
CHUNK = st.builds(
    ExpectedChunk,
    st.integers(0, 8),
    st.none() | st.sampled_from("mn"),
    st.none() | st.integers(0, 3),
    SHORT,
)


@settings(max_examples=300)
@given(st.lists(CHUNK, max_size=10), st.lists(PIECE, max_size=20), st.integers(0, 30))
def test_whatever_comes_there_is_an_account_of_it(
    published: list[ExpectedChunk], pieces: list[ReceivedPiece], after: int
) -> None:
    text = SessionText(published)
    found = align(text, pieces, min(after, len(text.text)))
    assert len(found.completed) == len(found.unexpected) == len(found.ends) == len(pieces)
    for places, unexpected in zip(found.completed, found.unexpected, strict=True):
        assert not (places and unexpected)
        assert all(0 <= place < len(published) for place in places)


@given(st.lists(st.text("ab ", min_size=1, max_size=4), min_size=1, max_size=30))
def test_an_answer_that_came_whole_has_nothing_amiss_however_alike_its_chunks(
    texts: list[str],
) -> None:
    found = by_text(texts, of=texts)
    assert chunks(found) == list(range(len(texts)))
    assert found.holes == found.repeats == found.swaps == ()


@pytest.mark.parametrize(
    "pieces",
    [
        [f"w{n} " for n in reversed(range(2_000))],
        ["x" * 5_000] * 2_000,
        ["w1 w"] * 2_000,
        ["0 w"] * 2_000,
        [" "] * 2_000,
    ],
    ids=["backwards", "foreign", "again and again", "across borders", "a blank"],
)
def test_work_is_bounded_whatever_comes(pieces: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these takes a fifth of a second at most; what is counted does not hang on that."""
    counted = Counter[str]()

    def counting(name: str, real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            counted[name] += 1
            return real(*arguments)

        return call

    monkeypatch.setattr(module, "_cost", counting("cost", module._cost))
    monkeypatch.setattr(SessionText, "places", counting("places", SessionText.places))
    by_text(pieces, of=[f"w{n} " for n in range(2_000)])
    landings = 4 * MOST_PLACES * len(LOOK_AHEAD)
    assert counted["cost"] <= len(pieces) * MOST_SOURCES * landings
    assert counted["places"] <= MOST_TRIES + len(pieces) * (1 + MOST_SOURCES) * len(LOOK_AHEAD)
