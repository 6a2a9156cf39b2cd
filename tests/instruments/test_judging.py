"""Two recordings of one answer: what the second lacks, has twice, late, or otherwise."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.instruments.recordings.formats import Recording, read_recording
from chunk7.instruments.recordings.judgement import JudgeDocument
from chunk7.instruments.recordings.judging import (
    NotJudged,
    compare_recordings,
    judgement_of,
    not_judged,
)
from chunk7.instruments.recordings.reading import ReadRecording, RecordedPiece, read_pieces
from chunk7.instruments.recordings.recording import Frames, Wanted
from chunk7.loadtest.targets.frame_reader import Sighting

WORDS = ["It", " fell", " between", " two", " stools", "."]
Recorded = Callable[[list[Any]], ReadRecording]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """A recording of such frames: texts, or whole objects."""
    made: list[Path] = []

    def make(frames: list[Any]) -> ReadRecording:
        path = tmp_path / f"{len(made)}.jsonl"
        made.append(path)
        rows = [{"text": one} if isinstance(one, str) else one for one in frames]
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return read_pieces(read_recording(path, "jsonl", Wanted()), None)

    return make


def judge_recordings(
    expected: ReadRecording, received: ReadRecording, after: int = 0, whole: bool = False
) -> JudgeDocument:
    try:
        return judgement_of(compare_recordings(expected, received, after, whole))
    except NotJudged as reason:
        return not_judged(expected, received, reason)


def runs(found: JudgeDocument, verdict: str) -> list[tuple[int, int]]:
    return [(one.first, one.last) for one in getattr(found, verdict)]


def numbered(*which: int, **other: Any) -> list[dict[str, Any]]:
    """Chunks by number, from 1."""
    return [{"seq": n, "text": WORDS[n - 1], **other} for n in which]


def test_two_recordings_that_say_the_same_have_nothing_amiss(recorded: Recorded) -> None:
    found = judge_recordings(recorded(WORDS), recorded(WORDS))
    assert (found.judged, found.by, found.chunks, found.delivered) == (True, "text", 6, 6)
    assert all(found.count(name) == 0 for name in ("lost", "duplicate", "out_of_order"))


def test_what_is_lost_is_told_with_its_place_and_its_text(recorded: Recorded) -> None:
    found = judge_recordings(recorded(WORDS), recorded([*WORDS[:2], *WORDS[4:]]))
    (lost,) = found.lost
    assert (lost.first, lost.last, lost.at_character, lost.characters) == (3, 4, 7, 12)
    assert (lost.text, lost.frame, lost.ambiguous) == (" between two", 3, False)
    assert (found.count("lost"), found.delivered) == (2, 4)


def test_doubled_and_late_chunks_are_told_apart(recorded: Recorded) -> None:
    came = [WORDS[n] for n in (0, 1, 1, 3, 2, 4, 5)]
    found = judge_recordings(recorded(WORDS), recorded(came))
    assert (runs(found, "duplicate"), runs(found, "out_of_order")) == ([(2, 2)], [(3, 3)])
    assert found.lost == []


def test_numbers_are_used_where_both_have_them(recorded: Recorded) -> None:
    found = judge_recordings(recorded(numbered(*range(1, 7))), recorded(numbered(1, 2, 4, 5, 6)))
    assert (found.by, runs(found, "lost"), found.lost[0].seq) == ("seq", [(3, 3)], 3)


def test_numbers_of_one_side_alone_tell_nothing(recorded: Recorded) -> None:
    for expected, received in ((WORDS, numbered(1, 2)), (numbered(*range(1, 7)), WORDS[:2])):
        found = judge_recordings(recorded(expected), recorded(received))
        assert (found.by, found.delivered) == ("text", 2)


def test_a_numbered_chunk_that_says_something_else_is_altered(recorded: Recorded) -> None:
    came = [*numbered(1, 2), {"seq": 3, "text": " BETWEEN"}, *numbered(4, 5, 6)]
    found = judge_recordings(recorded(numbered(*range(1, 7))), recorded(came))
    (altered,) = found.unexpected
    assert (altered.alters, altered.frame, altered.text) == (3, 3, " BETWEEN")
    assert runs(found, "lost") == [(3, 3)]


def test_what_is_missing_at_the_end_is_lost_only_if_the_client_was_there(
    recorded: Recorded,
) -> None:
    """A client that leaves early loses nothing, and a recording does not say who left."""
    expected, received = recorded(WORDS), recorded(WORDS[:4])
    found = judge_recordings(expected, received)
    assert (found.lost, runs(found, "undetermined")) == ([], [(5, 6)])
    found = judge_recordings(expected, received, whole=True)
    assert (runs(found, "lost"), found.undetermined) == ([(5, 6)], [])


def test_a_frame_that_ends_the_answer_makes_a_missing_tail_lost(recorded: Recorded) -> None:
    def provider(texts: list[str]) -> ReadRecording:
        deltas = [{"type": "text_delta", "text": text} for text in texts]
        rows: list[Any] = [{"type": "content_block_delta", "delta": delta} for delta in deltas]
        return recorded([*rows, {"type": "message_stop"}])

    found = judge_recordings(provider(WORDS), provider(WORDS[:4]))
    assert (found.received.ended, runs(found, "lost")) == (True, [(5, 6)])


def test_a_client_that_went_on_is_owed_what_comes_after(recorded: Recorded) -> None:
    found = judge_recordings(recorded(WORDS), recorded(WORDS[3:]), after=2)
    assert (runs(found, "lost"), found.chunks, found.delivered) == ([(3, 3)], 4, 3)


def test_a_chunk_that_the_expected_recording_has_twice_is_one(recorded: Recorded) -> None:
    found = judge_recordings(
        recorded(numbered(1, 2, 3, 2, 3, 4, 5, 6)), recorded(numbered(*range(1, 7)))
    )
    assert (found.chunks, found.delivered) == (6, 6)


def test_a_history_joined_into_one_text_is_held_against_its_chunks(recorded: Recorded) -> None:
    found = judge_recordings(recorded(WORDS), recorded(["".join(WORDS[:3]), *WORDS[4:]]))
    assert runs(found, "lost") == [(4, 4)]


@pytest.mark.parametrize(
    ("expected", "received", "after", "because"),
    [
        (WORDS, ["Another", " answer"], 0, "not one chunk of the expected recording"),
        (WORDS, WORDS, 9, "--after 9: the expected recording has 6 chunks"),
        ([{"seq": 1, "text": "a"}, {"seq": 1, "text": "b"}], WORDS, 0, "contradicts itself"),
    ],
)
def test_what_cannot_be_judged_says_why(
    recorded: Recorded, expected: list[Any], received: list[Any], after: int, because: str
) -> None:
    found = judge_recordings(recorded(expected), recorded(received), after)
    assert not found.judged
    assert found.because is not None
    assert because in found.because
    assert (found.by, found.lost) == (None, [])


SEEN = st.builds(
    Sighting,
    message_id=st.none() | st.just("m"),
    index=st.none() | st.integers(0, 4),
    seq=st.none() | st.integers(0, 6),
    text=st.none() | st.sampled_from(["a", "b", "ab", "c", ""]),
)


def of_pieces(name: str, seen: list[Sighting], ended: bool) -> ReadRecording:
    pieces = tuple(RecordedPiece(n, None, False, one) for n, one in enumerate(seen, 1))
    return ReadRecording(Recording(Path(name), "jsonl", Frames(())), "rules", pieces, ended)


@given(
    st.lists(SEEN, min_size=1, max_size=8),
    st.lists(SEEN, min_size=1, max_size=8),
    st.integers(0, 8),
    st.booleans(),
)
def test_the_account_of_two_recordings_cross_foots_whatever_they_say(
    expected: list[Sighting], received: list[Sighting], after: int, ended: bool
) -> None:
    found = judge_recordings(
        of_pieces("expected", expected, True), of_pieces("received", received, ended), after
    )
    if found.judged:
        assert found.delivered is not None
        lost, undetermined = found.count("lost"), found.count("undetermined")
        assert found.chunks == found.delivered + lost + undetermined
    else:
        assert found.because
