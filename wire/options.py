"""What the command lines of our processes share: one-line errors, and addresses."""

import argparse
from typing import Any, NoReturn

from chunk7.delivery.errors import UsageError
from chunk7.wire.store.option import without_password


class Parser(argparse.ArgumentParser):
    """argparse that says what is wrong in one line, by UsageError, and exits nowhere.

    The line may repeat what was given, so a URL in it loses its password.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(without_password(message.removeprefix("argument ")))


def listen_address(listen: str) -> tuple[str, int]:
    """(host, port) of --listen HOST:PORT; an IPv6 host is in brackets, port 0 is any free one.

    Raises UsageError.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"--listen: {listen!r} is not HOST:PORT with a port of 0 to 65535")
    return host.removeprefix("[").removesuffix("]"), int(port)
