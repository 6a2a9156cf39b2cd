"""HTTP requests as they are on the wire, byte for byte: no client of a library's tidies them."""

import asyncio
import socket

WITHIN_S = 10.0


def raw_status(port: int, request: str) -> int:
    """The status that a request to this port of 127.0.0.1 is answered with.

    The request is written with `\\n`, and `PORT` for the port; a body is counted.
    """
    head, _, body = request.replace("PORT", str(port)).partition("\n\n")
    length = f"\r\nContent-Length: {len(body)}" if body else ""
    data = head.replace("\n", "\r\n") + f"{length}\r\nConnection: close\r\n\r\n{body}"
    if "\nUpgrade:" in head:
        data = data.replace("Connection: close", "Connection: Upgrade")
    with socket.create_connection(("127.0.0.1", port), WITHIN_S) as connection:
        connection.settimeout(WITHIN_S)
        connection.sendall(data.encode())
        line = connection.makefile("rb").readline(4_096)
    return int(line.split(b" ")[1])


async def status_of(port: int, request: str) -> int:
    """The same of a server in this event loop."""
    return await asyncio.to_thread(raw_status, port, request)


HANDSHAKE = """
Upgrade: websocket
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13""".lstrip("\n")
"""What a WebSocket handshake has beside its Host (RFC 6455, section 1.2)."""
