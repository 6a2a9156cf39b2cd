"""`--redis`, or CHUNK7_REDIS in the environment: one option for every command that needs a store.

Command lines can be read by everybody on the machine, so a password is in none of ours for longer
than a start takes: children find the URL in their environment, and a command that was given one
with a password begins anew without it.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence

ENVIRONMENT = "CHUNK7_REDIS"

_LOGIN = re.compile(r"(\w://)\S*@")
_SECRET = re.compile(r"([?&]\w*password=)[^&#\s]*")


def add_redis(
    parser: argparse.ArgumentParser, text: str, required: bool = False, sentinel: bool = True
) -> None:
    """Add --redis; its value is a checked URL, None if there is none anywhere.

    A bad one is a UsageError. `sentinel`: whether the help text speaks of it.
    """
    given = os.environ.get(ENVIRONMENT) or None
    others = "unix:// and redis+sentinel:// are" if sentinel else "unix:// is"
    parser.add_argument(
        "--redis",
        metavar="URL",
        type=checked,
        default=given,
        required=required and given is None,
        help=f"{text}; rediss:// is TLS, {others} taken, too (or {ENVIRONMENT} in the environment)",
    )


def checked(url: str) -> str:
    """The URL as it is; raises UsageError for one that cannot be used."""
    # Imported here, because it brings redis-py: who only asks for help need not wait for that.
    from chunk7.wire.store.address import parse_address

    parse_address(url).check_certificates()
    return url


def without_password(text: str) -> str:
    """A text whose URLs have lost users and passwords."""
    return _SECRET.sub(r"\1***", _LOGIN.sub(r"\1***@", text))


def hide_password() -> None:
    """If our command line shows a store's password, become the same command without it."""
    words, url = taken_out(sys.orig_argv)
    if url is not None and without_password(url) != url:
        sys.stderr.flush()
        os.execve(sys.executable, words, {**os.environ, ENVIRONMENT: url})  # noqa: S606


def taken_out(words: Sequence[str]) -> tuple[list[str], str | None]:
    """The words without --redis and its value, and the last such value."""
    left: list[str] = []
    url = None
    rest = iter(words)
    for word in rest:
        if word == "--redis":
            url = next(rest, None)
        elif word.startswith("--redis="):
            url = word.removeprefix("--redis=")
        else:
            left.append(word)
    return left, url
