"""The status server, watching real servers come and go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from request_kit import status_of

from chunk7.cluster.deployments.probes import accepts, free_ports
from chunk7.cluster.status.server import Health, StatusOptions, check, parse_options, serve, told
from chunk7.delivery.errors import UsageError

pytestmark = pytest.mark.clocked

HOST = "127.0.0.1"
WITHIN_S = 10.0


@contextlib.asynccontextmanager
async def server(port: int, status: int = 200) -> AsyncIterator[None]:
    """Answers every GET of /healthz with this status."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    application = web.Application()
    application.router.add_get("/healthz", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def status_server(port: int, *words: str) -> AsyncIterator[None]:
    """One that listens at this port."""
    stop = asyncio.Event()
    options = parse_options(["--listen", f"{HOST}:{port}", "--run", ".", *words])
    task = asyncio.create_task(serve(options, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, WITHIN_S)


async def answers(port: int, status: int) -> dict[str, dict[str, int]]:
    """Its parts, once it answers with this status; before it has looked at them it names none."""
    async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as http:
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.get(f"http://{HOST}:{port}/healthz") as answer:
                    parts: dict[str, dict[str, int]] = (await answer.json())["parts"]
                    if answer.status == status and parts:
                        return parts
            await asyncio.sleep(0.02)


async def test_it_tells_once_when_everything_is_up_and_each_change(
    capsys: pytest.CaptureFixture[str], store_url: str
) -> None:
    own, part = free_ports(2)
    store = store_url.removesuffix("/0")
    words = ("--check", f"store={store}", "--check", f"part=http://{HOST}:{part}/healthz")
    async with status_server(own, *words, "--tell", "web UI=http://there"):
        down = await answers(own, 503)
        async with server(part):
            up = await answers(own, 200)
        await answers(own, 503)
        async with server(part):
            await answers(own, 200)
    healthy, gone = {"healthy": 1, "instances": 1}, {"healthy": 0, "instances": 1}
    assert down == {"store": healthy, "part": gone}
    assert up == {"store": healthy, "part": healthy}
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["store: healthy", "part: not healthy"]
    assert lines[2:] == [
        "part: healthy",
        "everything is up",
        "  web UI  http://there",
        "part: not healthy",
        "part: healthy",
    ]


async def test_it_tells_of_a_test_under_its_own_names_only() -> None:
    """Another site's page, whose name leads here, would have read what a test came to."""
    [own] = free_ports(1)
    async with status_server(own, "--allow-host", "cluster"):
        await until_listening(own)
        for host, status in (("evil.example", 403), ("cluster", 200), ("localhost", 200)):
            asked = f"GET /delivery HTTP/1.1\nHost: {host}:PORT"
            assert await status_of(own, asked) == status, host


async def until_listening(port: int) -> None:
    """Until somebody accepts connections there."""
    async with asyncio.timeout(WITHIN_S):
        while not await accepts(HOST, port):  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.02)  # poll, bounded by the time-out


async def test_a_part_that_answers_with_an_error_is_not_healthy() -> None:
    [port] = free_ports(1)
    async with server(port, status=500):
        assert await check(urlsplit(f"http://{HOST}:{port}/healthz")) == Health(0, 1)


async def test_a_name_without_an_address_is_no_instance() -> None:
    assert await check(urlsplit("name://nobody.invalid")) == Health(0, 0)
    assert (await check(urlsplit("name://localhost"))).good


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (Health(0, 0), "is not there"),
        (Health(1, 1), "healthy"),
        (Health(0, 1), "not healthy"),
        (Health(2, 5), "2 of 5 healthy"),
    ],
)
def test_health_in_words(health: Health, words: str) -> None:
    assert told(health) == words


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--check", "a=ftp://b"], "--check: 'ftp://b' is not http://, redis:// or name://HOST"),
        (["--check", "a"], "--check: want NAME=VALUE, each name once"),
        (["--tell", "a=1", "--tell", "a=2"], "--tell: want NAME=VALUE, each name once"),
        (["--listen", "here"], "--listen: 'here' is not HOST:PORT"),
    ],
)
def test_bad_options_are_named(words: list[str], line: str) -> None:
    with pytest.raises(UsageError, match=line.replace("?", r"\?")):
        parse_options(["--listen", f"{HOST}:0", "--run", ".", *words])


async def test_an_address_that_is_taken_is_named() -> None:
    [port] = free_ports(1)
    async with server(port):
        with pytest.raises(UsageError, match=f"--listen: {HOST}:{port}: "):
            await serve(StatusOptions(HOST, port, Path(), {}, {}), asyncio.Event())
