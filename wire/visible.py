"""A text that came from somebody else, as a terminal or a page may show it."""

import re

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for line feed and tab: ESC moves the cursor
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what turns the direction, or breaks the line
    "\ud800-\udfff]"  # no characters at all
)


def visible(text: str) -> str:
    r"""The text with what would act on its reader's screen spelled out.

    >>> visible("\x1b[2Jgone")
    '\\x1b[2Jgone'
    """
    return _INVISIBLE.sub(lambda found: ascii(found[0])[1:-1], text)


def is_plain(text: str) -> bool:
    """Whether it shows as it is, in one line."""
    return not _INVISIBLE.search(text) and "\n" not in text and "\t" not in text
