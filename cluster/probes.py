"""How to see that a part is ready: by its own answer, never by waiting a while."""

import asyncio
import socket

from cluster.parts import Probe

_ANSWER_WITHIN_S = 1.0
_MOST_BYTES = 4_096


def pings(host: str, port: int) -> Probe:
    """A Redis-protocol server answers PING with PONG."""

    async def ready() -> bool:
        return (await _ask(host, port, b"PING\r\n")).startswith(b"+PONG")

    return ready


def answers_http(host: str, port: int, path: str = "/healthz") -> Probe:
    """A GET of `path` is answered with 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()

    async def ready() -> bool:
        status_line = (await _ask(host, port, request)).split(b"\r\n", 1)[0]
        return status_line.split(b" ")[1:2] == [b"200"]

    return ready


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port nobody listens on at this moment; somebody may a moment later."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


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
