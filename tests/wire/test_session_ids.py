"""What a session id may be, and that no id reaches another session's keys."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.chunk import history_key, seq_key, stream_key
from chunk7.wire.plan import MAX_SESSIONS, Cell, Plan, check
from chunk7.wire.session_ids import is_session_id

IDS = st.from_regex(r"[A-Za-z0-9_.:-]{1,128}", fullmatch=True)
KEYS = (history_key, stream_key, seq_key)


@pytest.mark.parametrize("text", ["a", "x" * 128, "chat-1:2.b_C"])
def test_letters_digits_and_a_few_marks_are_taken(text: str) -> None:
    assert is_session_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "x" * 129, "a b", "a/b", "a\n", "a\t", "*", "a?", "[a]", "{a}", "é", "\x1b"],
)
def test_others_are_not(text: str) -> None:
    assert not is_session_id(text)


@given(IDS, IDS)
def test_two_sessions_have_no_key_in_common(one: str, other: str) -> None:
    """Also not one's history and the other's stream, whatever the ids are made of."""
    names = {one, other}
    keys = [key(name) for key, name in itertools.product(KEYS, names)]
    assert len(set(keys)) == len(keys)


def test_every_id_of_a_plan_is_one() -> None:
    plan = Plan(run="r" * 64, cells=[Cell("c", "w")])
    check(plan)
    assert is_session_id(plan.session_id(MAX_SESSIONS, MAX_SESSIONS))
