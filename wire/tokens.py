"""Session tokens: whoever has one may join that session, until it expires (docs/protocol.md).

    token = EXPIRES "." MAC
    MAC   = base64url(HMAC-SHA256(secret, "chunk7 session 1" LF session_id LF EXPIRES)), no padding

EXPIRES is in Unix seconds. The session's id is not repeated in the token: the URL says it, and the
MAC holds for no other. The back end that lets people in signs with the same secret as the nodes.
"""

import argparse
import base64
import hashlib
import hmac
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from chunk7.delivery.errors import UsageError

OPTION = "--token-secret-file"
ENVIRONMENT = "CHUNK7_TOKEN_SECRET_FILE"
LEAST_SECRET_BYTES = 16
MOST_SECRET_BYTES = 4_096
_PURPOSE = "chunk7 session 1"
_TOKEN = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


class NoToken(UsageError):
    """None was given."""


class BadToken(UsageError):
    """It is malformed, expired, for another session, or signed with another secret."""


class Tokens:
    """Makes and checks the tokens of one secret. `now_s` is a clock in Unix seconds."""

    __slots__ = ("_now_s", "_secret")

    def __init__(self, secret: bytes, now_s: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._now_s = now_s

    def make(self, session_id: str, valid_s: float) -> str:
        """A token for the session, from now on for so long."""
        expires = str(int(self._now_s() + valid_s))
        return f"{expires}.{self._mac(session_id, expires)}"

    def check(self, session_id: str, token: str | None) -> None:
        """Raise NoToken or BadToken, in one line that repeats nothing, unless it may join."""
        if not token:
            raise NoToken("token: this node wants one; see docs/protocol.md")
        match = _TOKEN.fullmatch(token)
        mac = "" if match is None else self._mac(session_id, match[1])
        if match is None or not hmac.compare_digest(mac, match[2]):
            raise BadToken("token: not one for this session")
        if int(match[1]) <= self._now_s():
            raise BadToken("token: expired")

    def _mac(self, session_id: str, expires: str) -> str:
        message = f"{_PURPOSE}\n{session_id}\n{expires}".encode()
        mac = hmac.new(self._secret, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def add_token_secret(
    parser: "argparse.ArgumentParser | argparse._ArgumentGroup",
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Declare the option, which `read_tokens` reads and checks."""
    parser.add_argument(
        OPTION,
        default=environment.get(ENVIRONMENT) or None,
        metavar="FILE",
        help="joins need a token signed with this secret, in a file of mode 600 "
        f"(or {ENVIRONMENT} in the environment)",
    )


def read_tokens(path: str | None) -> Tokens | None:
    """Of the secret in this file; None without one. Raises UsageError naming option and file."""
    if not path:
        return None
    try:
        with Path(path).open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            secret = file.read(MOST_SECRET_BYTES + 1).strip()
    except OSError as error:
        raise UsageError(f"{OPTION}: {path}: {error.strerror or error}") from error
    if mode & 0o077:
        raise UsageError(f"{OPTION}: {path}: mode {mode:o}: others may use it, want 600")
    if not LEAST_SECRET_BYTES <= len(secret) <= MOST_SECRET_BYTES:
        raise UsageError(
            f"{OPTION}: {path}: want a secret of {LEAST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes"
        )
    return Tokens(secret)
