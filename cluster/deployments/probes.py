"""How to see that a part is ready: by its own answer, never by waiting a while."""

import asyncio
import contextlib
import secrets
import socket

from chunk7.cluster.deployments.parts import Probe
from chunk7.delivery.errors import Chunk7Error

_ANSWER_WITHIN_S = 1.0
_MOST_BYTES = 4_096
_PORTS = range(20_000, 32_768)
"""Below those that Linux, macOS and Windows give to whoever connects: one that was found free stays
so until it is used, also where a load test takes thousands of the others meanwhile.
"""


def pings(host: str, port: int) -> Probe:
    """A Redis-protocol server answers PING with PONG, or asks for a password first."""

    async def ready() -> bool:
        return (await _ask(host, port, b"PING\r\n")).startswith((b"+PONG", b"-NOAUTH"))

    return ready


def answers_http(host: str, port: int, path: str = "/healthz") -> Probe:
    """A GET of `path` is answered with 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()

    async def ready() -> bool:
        status_line = (await _ask(host, port, request)).split(b"\r\n", 1)[0]
        return status_line.split(b" ")[1:2] == [b"200"]

    return ready


async def accepts(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Different TCP ports that nobody has at this moment, drawn: hardly anybody has them a moment
    later. Raises Chunk7Error when there are not so many.
    """
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in secrets.SystemRandom().sample(_PORTS, len(_PORTS)):
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                found.append(port)
            if len(found) == count:
                return found
    raise Chunk7Error(f"no {count} free ports from {_PORTS[0]} to {_PORTS[-1]} at {host}")


async def _ask(host: str, port: int, question: bytes) -> bytes:
    """The first bytes of the answer; b"" when there is none, for whatever reason."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(question)
                return await reader.read(_MOST_BYTES)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
