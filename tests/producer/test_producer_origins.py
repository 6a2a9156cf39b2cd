"""Who may give the producer orders: no other site's page, whatever it sends."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from producer_kit import Bench, a_plan, bench
from request_kit import status_of

from chunk7.producer.http import served
from chunk7.wire.origins import Origins

pytestmark = pytest.mark.clocked

PLAN = '{"run":"evil","cells":[{"connect":"c","write":"save_then_publish"}]}'
ORDER = '{"session_id":"demo-evil","writes":["atomic_lua"]}'

NO_CORS_TIMETABLE = f"""
POST /timetable HTTP/1.1
Host: 127.0.0.1:PORT
Origin: http://evil.example
Sec-Fetch-Site: cross-site
Sec-Fetch-Mode: no-cors
Content-Type: text/plain

{PLAN}""".lstrip()
PLAIN_TIMETABLE = f"""
POST /timetable HTTP/1.1
Host: 127.0.0.1:PORT
Content-Type: text/plain;charset=UTF-8

{PLAN}""".lstrip()
FORM_TIMETABLE = f"""
POST /timetable HTTP/1.1
Host: localhost:PORT
Origin: null
Content-Type: application/x-www-form-urlencoded

{PLAN}""".lstrip()
REBOUND_TIMETABLE = f"""
POST /timetable HTTP/1.1
Host: evil.example:PORT
Origin: http://evil.example:PORT
Sec-Fetch-Site: same-origin
Content-Type: application/json

{PLAN}""".lstrip()
REBOUND_DELETE = """
DELETE /timetable HTTP/1.1
Host: evil.example:PORT
Origin: http://evil.example:PORT
Sec-Fetch-Site: same-origin""".lstrip()
REBOUND_READ = """
GET /timetable HTTP/1.1
Host: evil.example:PORT""".lstrip()
NO_CORS_ANSWER = NO_CORS_TIMETABLE.replace("/timetable", "/answer").replace(PLAN, ORDER)
REBOUND_ANSWER = REBOUND_TIMETABLE.replace("/timetable", "/answer").replace(PLAN, ORDER)
PREFLIGHT = """
OPTIONS /timetable HTTP/1.1
Host: 127.0.0.1:PORT
Origin: http://evil.example
Access-Control-Request-Method: DELETE
Access-Control-Request-Headers: content-type""".lstrip()

OURS = f"""
POST /timetable HTTP/1.1
Host: 127.0.0.1:PORT
Content-Type: application/json

{PLAN}""".lstrip()


@pytest.fixture
async def at(store_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A producer in this process."""
    async with bench(store_url, tmp_path) as producing:
        yield producing


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (NO_CORS_TIMETABLE, 403),
        (PLAIN_TIMETABLE, 415),  # of a browser too old to say whose page it is
        (FORM_TIMETABLE, 403),
        (REBOUND_TIMETABLE, 403),
        (REBOUND_DELETE, 403),
        (REBOUND_READ, 403),
        (NO_CORS_ANSWER, 403),
        (REBOUND_ANSWER, 403),
        (PREFLIGHT, 405),
    ],
)
async def test_another_sites_page_changes_nothing(at: Bench, request_: str, status: int) -> None:
    """A `text/plain` POST replaced the current timetable; /answer took one, too."""
    current = await at.producer.take(a_plan(duration_ms=10_000))
    async with served(at.producer, "127.0.0.1", 0) as port:
        assert await status_of(port, request_) == status
    assert at.producer.timetable is current
    assert at.producer.demo._under_way == {}


async def test_our_own_processes_do(at: Bench) -> None:
    async with served(at.producer, "127.0.0.1", 0) as port:
        assert await status_of(port, OURS) == 200
        delete = "DELETE /timetable HTTP/1.1\nHost: 127.0.0.1:PORT"
        assert await status_of(port, delete) == 204
        for path in ("/healthz", "/metrics"):
            assert await status_of(port, f"GET {path} HTTP/1.1\nHost: 172.18.0.5:PORT") == 200


async def test_in_a_network_it_is_known_by_its_name(at: Bench) -> None:
    named = OURS.replace("127.0.0.1", "producer")
    async with served(at.producer, "127.0.0.1", 0, Origins(frozenset(["producer"]))) as port:
        assert await status_of(port, named) == 200
        assert await status_of(port, named.replace("producer", "evil")) == 403
