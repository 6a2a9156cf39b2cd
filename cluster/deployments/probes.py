"""How to see that a part is ready: by its own answer, never by waiting a while."""

import asyncio
import contextlib
import socket

from chunk7.cluster.deployments.parts import Probe

_ANSWER_WITHIN_S = 1.0
_MOST_BYTES = 4_096


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
    """Different TCP ports that nobody has at this moment; somebody may a moment later."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((host, 0))
        return [int(probe.getsockname()[1]) for probe in sockets]


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
