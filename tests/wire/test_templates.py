import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.errors import UsageError
from chunk7.wire.templates import fill, fill_text, fill_url, placeholders

VALUES = {"session_id": "s/1 ä", "user": 7}


def test_a_text_that_is_one_placeholder_keeps_its_type() -> None:
    template = {"user": "{user}", "as": ["u{user}", 1, None], "{user}": True}
    assert fill(template, VALUES) == {"user": 7, "as": ["u7", 1, None], "{user}": True}


def test_a_url_has_its_values_encoded_and_a_text_has_not() -> None:
    assert fill_url("ws://h/{session_id}?u={user}", VALUES) == "ws://h/s%2F1%20%C3%A4?u=7"
    assert fill_text("{session_id}", VALUES) == "s/1 ä"


def test_an_unknown_placeholder_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"^\{room\} is none of \{session_id\}, \{user\}$"):
        fill({"a": ["{room}"]}, VALUES)


def test_every_placeholder_is_found_with_its_place() -> None:
    found = placeholders({"a": ["x", {"b": "{one}{two}"}], "c": "{one}"}, "body")
    assert list(found) == [("body.a.1.b", "one"), ("body.a.1.b", "two"), ("body.c", "one")]


@given(st.text())
def test_a_text_without_placeholders_stays_as_it_is(text: str) -> None:
    if "{" not in text:
        assert fill(text, {}) == text


def test_json_in_a_text_is_no_placeholder() -> None:
    assert fill('{"a":{"b":"{user}"}}', VALUES) == '{"a":{"b":"7"}}'
