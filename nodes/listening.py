"""The node's port: how connections are accepted, and what happens when they cannot be."""

import asyncio
import errno
import socket
import sys
from collections.abc import Iterable
from typing import Any

ACCEPTED_AT_ONCE = 16
"""Connections accepted in one turn of the event loop: a flood must not hold up who is there."""
BACKLOG = 1_024
"""Connections that the system holds until then."""
SEND_BUFFER_BYTES = 128 * 1024
"""What the system holds for each client. It would grow it to several MB for one that never reads,
which counts against a container's memory and hides from us how far behind the client is."""
_OUT_OF = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_SAY_AGAIN_S = 60.0


def tune(listening: Iterable[Any]) -> None:
    """Set what `create_server` cannot: it takes one number for a turn's accepts and the backlog.

    `listening` are its sockets. What they are set to is passed on to accepted ones.
    """
    for one in listening:
        with one.dup() as same:  # options belong to the socket, not to the descriptor
            same.listen(BACKLOG)
            same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def survive_full_tables(name: str) -> None:
    """Say once a minute, in one line, that nothing can be accepted for want of files or memory.

    asyncio itself pauses for a second then, but reports each attempt with a traceback.
    """
    loop = asyncio.get_running_loop()
    said_s = -_SAY_AGAIN_S

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal said_s
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _OUT_OF or "socket" not in context:
            loop.default_exception_handler(context)
        elif loop.time() - said_s >= _SAY_AGAIN_S:
            said_s = loop.time()
            sys.stderr.write(f"{name}: warning: cannot accept clients: {error.strerror}\n")

    loop.set_exception_handler(handle)
