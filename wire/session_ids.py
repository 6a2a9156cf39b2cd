"""What a session id may be, wherever one comes in: nothing that a key or a terminal could mistake.

Keys are a fixed prefix and the id, so an id of these characters reaches the four keys of its own
session (docs/protocol.md) and no other, whatever it is made of.
"""

import re

MOST_CHARACTERS = 128
ALLOWED = f"1 to {MOST_CHARACTERS} letters, digits, -, _, . or :"
_SESSION_ID = re.compile(rf"[A-Za-z0-9_.:-]{{1,{MOST_CHARACTERS}}}")


def is_session_id(text: str) -> bool:
    """Whether it may be one."""
    return _SESSION_ID.fullmatch(text) is not None
