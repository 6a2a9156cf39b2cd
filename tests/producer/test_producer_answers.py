"""Answers are read as recorded, what is wrong is named, the corpus is what its maker makes."""

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.errors import UsageError
from chunk7.producer.answers import SHIPPED, read_answers
from chunk7.producer.make_answers import PROSE, answer_of, instants_ms, tokens, unwrapped


def folder_with(tmp_path: Path, content: bytes) -> Path:
    """A folder with one answer."""
    (tmp_path / "a.jsonl").write_bytes(content)
    return tmp_path


def test_an_answer_is_its_texts_and_instants(tmp_path: Path) -> None:
    lines = '{"text": "Hé", "at_ms": 5}\n{"text": "\\n", "at_ms": 5.5, "token": 7}\n'
    [answer] = read_answers(folder_with(tmp_path, lines.encode()))
    assert (answer.name, answer.texts, answer.at_ms.tolist()) == ("a", ("Hé", "\n"), [5.0, 5.5])


def test_answers_come_by_name_and_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "SOURCES.md"):
        (tmp_path / name).write_text('{"text": "t", "at_ms": 0}')
    assert [answer.name for answer in read_answers(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("second_line", "reason"),
    [
        (b"{", "truncated"),
        (b"", "truncated"),
        (b'{"text": "x"}', "at_ms"),
        (b'{"at_ms": 9}', "text"),
        (b'{"text": "x", "at_ms": "9"}', "Expected `float`"),
        (b'{"text": "x", "at_ms": -1}', ">= 0"),
        (b'{"text": "x", "at_ms": 1e9}', "<= 86400000"),
        (b'{"text": "", "at_ms": 9}', "length >= 1"),
        (b'{"text": "x", "at_ms": 4}', "at_ms 4 is before the line above, 5"),
        (b'{"text": "\xff", "at_ms": 9}', "utf-8"),
        (b"[]", "Expected `object`"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(
    tmp_path: Path, second_line: bytes, reason: str
) -> None:
    folder = folder_with(tmp_path, b'{"text": "t", "at_ms": 5}\n' + second_line + b"\n")
    with pytest.raises(UsageError) as failure:
        read_answers(folder)
    assert str(failure.value).startswith(f"{folder / 'a.jsonl'}:2: ")
    assert reason in str(failure.value)
    assert "\n" not in str(failure.value)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.jsonl:1: empty"):
        read_answers(folder_with(tmp_path, b""))


@pytest.mark.parametrize("name", ["missing", ".", "file"])
def test_a_folder_without_answers_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--answers .*: want a folder with at least one"):
        read_answers(tmp_path / name)


def test_an_unreadable_answer_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(UsageError, match=r"--answers .*a\.jsonl: "):
        read_answers(tmp_path)


def test_the_corpus_is_what_its_maker_makes() -> None:
    prose = sorted(PROSE.glob("*.txt"))
    assert {path.stem for path in prose} == {path.stem for path in SHIPPED.glob("*.jsonl")}
    for path in prose:
        assert (SHIPPED / f"{path.stem}.jsonl").read_bytes() == answer_of(path), path.stem


def test_the_corpus_is_the_prose_and_names_its_sources() -> None:
    answers = read_answers(SHIPPED)
    sources = (SHIPPED / "SOURCES.md").read_text()
    assert len(answers) >= 12
    for answer in answers:
        assert "".join(answer.texts) == unwrapped((PROSE / f"{answer.name}.txt").read_text())
        assert 120 <= len(answer.texts) <= 400
        assert f"| `{answer.name}` |" in sources


@given(st.text(), st.integers())
def test_tokens_joined_are_the_text(text: str, seed: int) -> None:
    pieces = tokens(text, random.Random(seed))
    assert "".join(pieces) == text
    assert all(pieces)


def test_long_words_are_cut_and_short_ones_keep_their_space() -> None:
    pieces = tokens("A universally acknowledged truth, in 1813.", random.Random(1))
    assert pieces[0] == "A"
    assert pieces[-5:] == [" truth", ",", " in", " 1813", "."]
    assert all(len(piece) <= 8 for piece in pieces)
    assert len(pieces) > len(["A", "universally", "acknowledged", "truth", ",", "in", "1813", "."])


@given(st.integers(1, 400), st.integers())
def test_model_instants_are_an_answer(count: int, seed: int) -> None:
    at_ms = instants_ms(count, random.Random(seed))
    assert len(at_ms) == count
    assert at_ms == sorted(at_ms)
    assert at_ms[0] > 0


def test_the_model_has_the_stated_statistics() -> None:
    """Means over 400 answers of 300 tokens, within five standard errors of the model's."""
    answers = [instants_ms(300, random.Random(seed)) for seed in range(400)]
    firsts = sorted(at_ms[0] for at_ms in answers)
    assert 300 < firsts[200] < 410  # median 350 ms; its standard error is 350 * 0.5 * 1.25 / 20
    pairs = [pair for at_ms in answers for pair in itertools.pairwise(at_ms)]
    shared = sum(later == earlier for earlier, later in pairs) / len(pairs)
    # A step begins a burst with p = 0.08 and then yields 1.98 followers on average (B <= 8).
    followers = sum(0.5**extra for extra in range(7))
    assert abs(shared - 0.08 * followers / (1 + 0.08 * followers)) < 0.005
