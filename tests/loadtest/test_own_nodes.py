"""A server that is not chunk7's is told from one that is, before any user connects."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.options import LoadOptions
from chunk7.loadtest.targets.own_nodes import refuse_foreign
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.nodes.options import NodeOptions
from chunk7.nodes.request import parse_request
from chunk7.wire.plan import Plan

Answer = Callable[[ServerConnection, Request], Response | None]


def options(host: str) -> LoadOptions:
    plan = Plan(run="r", cells=[])
    return LoadOptions(host, "http://p:1", plan, None, Path("r"), frozenset(), once=True)


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server's URL. It answers handshakes so, and whoever gets in is told something."""

    def talk(connection: ServerConnection) -> None:
        connection.send('{"delta": "Hello"}')

    with serve(talk, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.socket.getsockname()[:2]
        try:
            yield f"ws://{host}:{port}"
        finally:
            server.shutdown()
            thread.join(10)


def saying(status: HTTPStatus, text: str) -> Answer:
    return lambda connection, request: connection.respond(status, text)


def test_a_server_that_takes_any_connection_is_refused_with_the_way_to_an_adapter() -> None:
    """Its frames were all unreadable, and the web UI said: valid, 0 connections lossy."""
    with answering(lambda connection, request: None) as host, pytest.raises(UsageError) as caught:
        refuse_foreign(options(host))
    assert str(caught.value) == (
        f"--host {host} is no node of chunk7 (it takes a connection that every node refuses); "
        "another system needs an adapter: chunk7 run --target FILE.yaml, "
        "docs/your-own-back-end.md"
    )


@pytest.mark.parametrize(
    ("status", "text"),
    [(HTTPStatus.NOT_FOUND, "not here"), (HTTPStatus.BAD_REQUEST, "token: missing")],
)
def test_a_server_that_refuses_in_other_words_is_foreign_too(status: HTTPStatus, text: str) -> None:
    with answering(saying(status, text)) as host, pytest.raises(UsageError, match=text):
        refuse_foreign(options(host))


def test_a_node_with_orderings_of_somebodys_own_is_ours() -> None:
    orderings = {"mine": CONNECT_ORDERINGS["buffered_merge"]}
    node = NodeOptions("h", 1, "redis://x", "n", Path(), "mine", orderings, 7, 500, 1, 1, 1)

    def refuse(connection: ServerConnection, request: Request) -> Response:
        with pytest.raises(UsageError) as caught:
            parse_request(request.path, node)
        return connection.respond(HTTPStatus.BAD_REQUEST, f"{caught.value}\n")

    with answering(refuse) as host:
        refuse_foreign(options(host))


def test_a_proxy_whose_nodes_are_away_may_be_ours() -> None:
    with answering(saying(HTTPStatus.BAD_GATEWAY, "no node")) as host:
        refuse_foreign(options(host))


def test_where_nobody_answers_the_test_itself_tells() -> None:
    refuse_foreign(options("ws://127.0.0.1:9"))
