"""Who may join at a node: no other site's page, and only with a token where the node wants one.

The literal requests are those that a browser sends of a page at evil.example; all but one were let
in once.
"""

from pathlib import Path

import pytest
from node_kit import RunningNode, StartNode
from request_kit import HANDSHAKE, status_of
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chunk7.wire.store.store import Store
from chunk7.wire.tokens import Tokens

pytestmark = pytest.mark.clocked

SECRET = b"a-secret-of-the-tests"

CROSS_SITE_JOIN = f"""
GET /ws/s HTTP/1.1
Host: 127.0.0.1:PORT
Origin: http://evil.example
{HANDSHAKE}
""".strip()
REBOUND_JOIN = f"""
GET /ws/s HTTP/1.1
Host: evil.example:PORT
Origin: http://evil.example:PORT
Sec-Fetch-Site: same-origin
{HANDSHAKE}
""".strip()
CROSS_SITE_ANSWER = f"""
GET /demo/answer HTTP/1.1
Host: localhost:PORT
Origin: https://evil.example
{HANDSHAKE}
""".strip()
REBOUND_ANSWER = f"""
GET /demo/answer HTTP/1.1
Host: evil.example:PORT
Origin: http://evil.example:PORT
{HANDSHAKE}
""".strip()


@pytest.mark.parametrize(
    "request_", [CROSS_SITE_JOIN, REBOUND_JOIN, CROSS_SITE_ANSWER, REBOUND_ANSWER]
)
async def test_another_sites_page_joins_nothing(node: RunningNode, request_: str) -> None:
    assert await status_of(node.port, request_) == 403


@pytest.mark.parametrize(
    "request_",
    [
        f"GET /ws/s HTTP/1.1\nHost: 127.0.0.1:PORT\n{HANDSHAKE}",
        f"GET /ws/s HTTP/1.1\nHost: localhost:PORT\nOrigin: http://localhost:PORT\n{HANDSHAKE}",
        f"GET /demo/answer HTTP/1.1\nHost: localhost\nOrigin: http://localhost\n{HANDSHAKE}",
    ],
)
async def test_our_own_page_and_tools_do(node: RunningNode, request_: str) -> None:
    assert await status_of(node.port, request_) == 101


async def test_whoever_watches_may_call_a_node_what_they_will(node: RunningNode) -> None:
    for path in ("/healthz", "/metrics"):
        assert await status_of(node.port, f"GET {path} HTTP/1.1\nHost: node-1:PORT") == 200


async def test_a_proxys_name_and_an_apps_page_are_allowed_by_options(start: StartNode) -> None:
    node = await start("--allow-host", "proxy", "--allow-origin", "https://app.example")
    allowed = "GET /ws/s HTTP/1.1\nHost: proxy:PORT\nOrigin: https://app.example\n" + HANDSHAKE
    assert await status_of(node.port, allowed) == 101
    assert await status_of(node.port, allowed.replace("proxy", "evil")) == 403
    assert await status_of(node.port, allowed.replace("app.", "evil.")) == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [("/ws/secret\t", 400), ("/ws/%ff", 400), ("/ws/%fe", 400), ("/ws/secret%09", 400)],
)
async def test_a_strange_path_joins_no_other_session(
    node: RunningNode, path: str, status: int
) -> None:
    """`/ws/secret<TAB>` was let into `secret`; %ff and %fe were one session."""
    request = f"GET {path} HTTP/1.1\nHost: localhost:PORT\n{HANDSHAKE}"
    assert await status_of(node.port, request) == status


# --- tokens ---


@pytest.fixture
async def guarded(start: StartNode, tmp_path: Path) -> RunningNode:
    """A node that wants tokens."""
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    return await start("--token-secret-file", str(secret))


async def test_a_token_lets_its_session_in(guarded: RunningNode) -> None:
    token = Tokens(SECRET).make("s", 60)
    async with guarded.client("buffered_merge", token=token) as user:
        assert await user.frames(2) == ["history", "welcome"]
    bearer = {"Authorization": f"Bearer {token}"}
    async with connect(guarded.url("s"), additional_headers=bearer) as connection:
        assert connection.response is not None
    await guarded.end()
    shown = "".join(str(row) for row in guarded.table("joins"))
    assert token not in shown


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (None, 401),
        ("", 401),
        ("rubbish", 403),
        (Tokens(SECRET).make("s", -1), 403),
        (Tokens(SECRET).make("other", 60), 403),
        (Tokens(b"not-the-nodes-secret").make("s", 60), 403),
    ],
    ids=["none", "empty", "rubbish", "late", "another session's", "another secret's"],
)
async def test_without_a_good_one_nobody_joins_and_the_store_hears_nothing(
    guarded: RunningNode, store: Store, token: str | None, status: int
) -> None:
    fields = {} if token is None else {"token": token}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(guarded.url("s", ordering="buffered_merge", **fields)):
            pytest.fail("it was let in")
    assert refused.value.response.status_code == status
    assert refused.value.response.body.startswith(b"token: ")
    await guarded.end()
    assert not (guarded.records / "n1.joins.arrows").exists()


async def test_a_bad_field_is_named_before_a_token_is_asked_for(guarded: RunningNode) -> None:
    """So that a load test can ask whether it is a node of ours without one."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(guarded.url("s", ordering="")):
            pytest.fail("it was let in")
    assert refused.value.response.body.startswith(b"ordering: ")
