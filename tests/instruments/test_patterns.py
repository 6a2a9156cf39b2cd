"""Patterns find a session's name in keys and channels; wrong ones are refused in a line."""

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.instruments.watch.patterns import Pattern, Patterns, glob, patterns


@pytest.mark.parametrize(
    ("text", "name", "session"),
    [
        ("chat:{session_id}", b"chat:s1", "s1"),
        ("chat:{session_id}", b"chats:s1", None),
        ("chat:{session_id}:log", b"chat:a:b:log", "a:b"),
        ("chat:{{session_id}}:log", b"chat:{s1}:log", "s1"),  # a hash tag of Redis Cluster
        ("*:{session_id}", b"tenant.7:s1", "s1"),
        ("a.b:{session_id}", b"aXb:s1", None),
        ("{session_id}", b"\xff", "\\xff"),
    ],
)
def test_the_session_is_what_stands_in_its_place(
    text: str, name: bytes, session: str | None
) -> None:
    assert Pattern(text).session(name) == session


def test_without_options_the_names_are_our_own() -> None:
    named = patterns()
    assert named == Patterns()
    assert named.history[0].session(b"chat:history:s1") == "s1"
    assert named.channel[0].session(b"chat:stream:s1") == "s1"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"history": ["chat:1"], "channel": ["c:{session_id}"]}, "must have {session_id} in it"),
        ({"stream": ["{session_id}:{session_id}"]}, "once"),
        ({"history": ["h:{session_id}"]}, "--channel PATTERN is needed too"),
        ({"channel": ["h:{session_id}"]}, "--history PATTERN is needed too"),
    ],
)
def test_patterns_that_cannot_work_are_refused(given: dict[str, list[str]], reason: str) -> None:
    with pytest.raises(UsageError, match=reason.replace("{", r"\{")):
        patterns(**given)


@pytest.mark.parametrize(
    ("text", "name", "fits"),
    [
        (b"chat:*", b"chat:s1", True),
        (b"chat:?", b"chat:s1", False),
        (b"chat:s[1-3]", b"chat:s2", True),
        (b"chat:s[^1]", b"chat:s1", False),
        (rb"chat:\**", b"chat:*1", True),
        (rb"chat:\**", b"chat:1", False),
        (b"a.b*", b"aXb", False),
    ],
)
def test_a_glob_is_the_stores(text: bytes, name: bytes, fits: bool) -> None:
    regex = glob(text)
    assert regex is not None
    assert bool(regex.fullmatch(name)) is fits


def test_a_name_without_wildcards_is_no_glob() -> None:
    assert glob(b"chat:s1") is None
