"""What others' texts may do to a reader's screen: nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.wire.visible import is_plain, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("own_ordering", "own_ordering"),
        ("café 日本 \u00a0👩‍🚀", "café 日本 \u00a0👩‍🚀"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("good\rbad", r"good\rbad"),
        ("\x9b31m", r"\x9b31m"),
        ("a\x00b\x7f", r"a\x00b\x7f"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\udcff", r"\udcff"),
    ],
)
def test_what_would_act_is_spelled_out_and_all_else_stays(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_is_left_to_spell_out_and_nothing_plain_is_changed(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert is_plain(shown.replace("\n", "").replace("\t", ""))
    assert shown == text or not is_plain(text)
    shown.encode()
