"""A user's visit: how it comes back, and what is written down of it, against a scripted server."""

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import gevent
import pytest
from visit_kit import Users, make_round
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from chunk7.delivery.chunk import Chunk
from chunk7.loadtest.client_faults import ClientFaults
from chunk7.loadtest.rounds import Round
from chunk7.loadtest.targets.away import Away
from chunk7.loadtest.targets.errors import ConnectFailed
from chunk7.wire.clock import now_ns
from chunk7.wire.frames import encode_chunk, encode_history
from chunk7.wire.recorder import Recorder
from chunk7.wire.tables import Via

pytestmark = pytest.mark.clocked

ALL = [Chunk("s", "m", seq - 1, "word", seq == 10, seq) for seq in range(1, 11)]
Script = Callable[["Node", ServerConnection, int], None]


@dataclass
class Node:
    """Serves `script(node, connection, number)`; `asked` are the URLs' fields, one a connection."""

    script: Script
    refusals: list[int] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.over = threading.Event()

    def serve(self, connection: ServerConnection) -> None:
        number = len(self.asked)
        assert connection.request is not None
        self.asked.append(dict(parse_qsl(urlsplit(connection.request.path).query)))
        with contextlib.suppress(ConnectionClosed):
            self.script(self, connection, number)

    def answer(self, connection: ServerConnection, _: Request) -> Response | None:
        if self.refusals:
            return connection.respond(HTTPStatus(self.refusals.pop(0)), "not now\n")
        return None


@contextlib.contextmanager
def running(script: Script, refusals: tuple[int, ...] = ()) -> Iterator[tuple[Node, str]]:
    node = Node(script, list(refusals))
    with serve(node.serve, "127.0.0.1", 0, compression=None, process_request=node.answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield node, f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            node.over.set()
            server.shutdown()
            thread.join(5)


def whole(node: Node, connection: ServerConnection, after_seq: int) -> None:
    """The history after that, and then silence until the client leaves."""
    connection.send(encode_history(ALL[after_seq:]).decode())
    for _ in connection:
        pass


def cuts_off(code: int, reason: str = "") -> Script:
    """The first connection gets chunks 1 to 3 live and is closed; later ones are served."""

    def script(node: Node, connection: ServerConnection, number: int) -> None:
        if number:
            whole(node, connection, int(node.asked[number]["after_seq"]))
            return
        connection.send(encode_history([]).decode())
        for chunk in ALL[:3]:
            connection.send(encode_chunk(chunk).decode())
        connection.close(code, reason)

    return script


def test_who_is_cut_off_comes_back_and_resumes_after_what_it_has(tmp_path: Path) -> None:
    with running(cuts_off(1012, "drain")) as (node, host):
        users = Users(tmp_path, host)
        users.visit(make_round())
    [opened], [closed], [back] = (users.rows(name) for name in ("opened", "closed", "returns"))
    assert [asked["after_seq"] for asked in node.asked] == ["0", "3"]
    assert int(node.asked[0]["connection_id"]) == opened["connection_id"] == back["first_id"]
    assert int(node.asked[1]["connection_id"]) == back["connection_id"] != back["first_id"]
    assert (back["lost_code"], back["lost_reason"], back["after_seq"]) == (1012, "drain", 3)
    assert back["error"] is None
    assert back["lost_ns"] <= back["opening_ns"] < back["connected_ns"] < back["history_ns"]
    assert (closed["by_server"], closed["close_code"]) == (False, None)
    assert closed["history_ns"] < back["lost_ns"]
    receipts = [(row["connection_id"], row["seq"], row["via"]) for row in users.rows("receipts")]
    me = opened["connection_id"]
    assert receipts == [(me, seq, Via.LIVE if seq <= 3 else Via.HISTORY) for seq in range(1, 11)]
    phases = ["connect", "history", "reconnect", "complete"]
    assert users.phases() == [(phase, True) for phase in phases]


@pytest.mark.parametrize("code", [1003, 1008])
def test_who_was_closed_for_its_own_fault_does_not_come_back(code: int, tmp_path: Path) -> None:
    with running(cuts_off(code)) as (node, host):
        users = Users(tmp_path, host)
        users.visit(make_round())
    [closed] = users.rows("closed")
    assert (len(node.asked), users.rows("returns")) == (1, [])
    assert (closed["by_server"], closed["close_code"]) == (True, code)
    assert users.phases() == [("connect", True), ("history", True), ("complete", False)]


def test_a_proxy_without_nodes_is_asked_again(tmp_path: Path) -> None:
    """502, 503, 429 and a join that failed (1011): the user is away through all of it, once."""

    def script(node: Node, connection: ServerConnection, number: int) -> None:
        if number == 0:
            node.refusals += [502, 503, 429]
            cuts_off(1001)(node, connection, 0)
        elif number == 1:
            connection.close(1011, "the store: gone")
        else:
            whole(node, connection, 3)

    with running(script) as (_, host):
        users = Users(tmp_path, host)
        users.visit(make_round(duration_ms=6_000))
    returns = users.rows("returns")
    assert [row["error"] for row in returns] == [
        "HTTP 502: not now", "HTTP 503: not now", "HTTP 429: not now",
        "closed with 1011 the store: gone", None,
    ]  # fmt: skip
    assert {(row["lost_ns"], row["lost_code"]) for row in returns} == {
        (returns[0]["lost_ns"], 1001)
    }
    assert users.phases().count(("reconnect", True)) == 1
    assert users.rows("closed")[0]["by_server"] is False


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_for_good_is_taken_for_good(status: int, tmp_path: Path) -> None:
    def script(node: Node, connection: ServerConnection, number: int) -> None:
        node.refusals.append(status)
        cuts_off(1012)(node, connection, number)

    with running(script) as (node, host):
        users = Users(tmp_path, host)
        users.visit(make_round())
    [back], [closed] = users.rows("returns"), users.rows("closed")
    assert (len(node.asked), back["error"]) == (1, f"HTTP {status}: not now")
    assert (closed["by_server"], closed["close_code"]) == (True, 1012)
    assert bool(users.failed) == (status in (400, 401, 403))


def test_who_never_comes_back_ended_as_it_was_cut(tmp_path: Path) -> None:
    def script(node: Node, connection: ServerConnection, number: int) -> None:
        node.refusals += [503] * 1_000
        cuts_off(1012, "drain")(node, connection, number)

    with running(script) as (_, host):
        users = Users(tmp_path, host)
        users.visit(make_round())
    returns, [closed] = users.rows("returns"), users.rows("closed")
    assert returns
    assert closed["closed_ns"] == returns[0]["lost_ns"]
    assert (closed["by_server"], closed["close_code"]) == (True, 1012)
    assert closed["close_reason"] == "drain"
    assert users.phases()[-2:] == [("reconnect", False), ("complete", False)]


def test_a_first_try_that_fails_is_the_end_where_no_fault_was_planned(tmp_path: Path) -> None:
    """A load test whose nodes are not there must not look like one of a cluster that recovers."""
    with running(cuts_off(1012), refusals=(503,)) as (node, host):
        users = Users(tmp_path, host)
        users.visit(make_round())
    [closed] = users.rows("closed")
    assert (node.asked, users.rows("returns")) == ([], [])
    assert (closed["connected_ns"], closed["error"]) == (None, "HTTP 503: not now")
    assert (closed["by_server"], users.phases()) == (False, [("connect", False)])


def test_a_first_try_during_a_planned_fault_is_followed_by_others(tmp_path: Path) -> None:
    def script(node: Node, connection: ServerConnection, number: int) -> None:
        whole(node, connection, 0)

    with running(script, refusals=(503, 502)) as (node, host):
        users = Users(tmp_path, host)
        users.visit(make_round(duration_ms=1_500, faults=("node_kill@0s",)))
    [opened], [closed], returns = (users.rows(n) for n in ("opened", "closed", "returns"))
    assert [row["error"] for row in returns] == ["HTTP 502: not now", None]
    assert {row["lost_code"] for row in returns} == {None}
    assert opened["connection_id"] not in {row["connection_id"] for row in returns}
    assert [int(asked["connection_id"]) for asked in node.asked] == [returns[1]["connection_id"]]
    assert closed["history_ns"] == returns[1]["history_ns"]
    assert (closed["by_server"], closed["error"]) == (False, None)
    assert users.phases() == [("connect", False), ("reconnect", True), ("complete", True)]


def live(node: Node, connection: ServerConnection, number: int) -> None:
    """An empty history, and then a chunk every 5 ms until the client is gone."""
    connection.send(encode_history([]).decode())
    for seq in itertools.count(int(node.asked[number]["after_seq"]) + 1):
        connection.send(encode_chunk(Chunk("s", "m", seq, "word", False, seq)).decode())
        if node.over.wait(0.005):
            return


def joined_before(round_: Round, users: int, at_ms: float) -> set[int]:
    return {user for user in range(users) if round_.visits(user)[0].join_ms < at_ms - 50}


def test_in_a_storm_those_who_are_there_break_off_and_come_back(tmp_path: Path) -> None:
    with running(live) as (_, host):
        users = Users(tmp_path, host)
        round_ = make_round(duration_ms=800, faults=("client_reconnect_storm@400ms",))
        users.visit(round_, users=6)
    opened = {row["connection_id"]: row["user"] for row in users.rows("opened")}
    returns = users.rows("returns")
    there = joined_before(round_, 6, 400)
    assert 0 < len(there) < 6
    assert {opened[row["first_id"]] for row in returns} >= there
    assert {(row["lost_code"], row["lost_reason"]) for row in returns} == {
        (1006, "client_reconnect_storm")
    }
    assert all(row["history_ns"] and row["after_seq"] for row in returns)
    assert not any(row["by_server"] for row in users.rows("closed"))
    began, ended = users.rows("events")
    assert [row["kind"] for row in (began, ended)] == ["fault_began", "fault_ended"]
    assert began["detail"] == ended["detail"] == "client_reconnect_storm clients"
    early_ns = 10_000_000  # a greenlet wakes by the clock of the last turn of its loop
    assert began["at_ns"] >= round_.instant_ns(400) - early_ns
    assert began["at_ns"] <= ended["at_ns"] < max(row["history_ns"] for row in returns)


def test_whom_a_fault_has_leave_closes_in_good_order_and_stays_away(tmp_path: Path) -> None:
    with running(live) as (node, host):
        users = Users(tmp_path, host)
        round_ = make_round(duration_ms=800, faults=("client_leave@400ms:share=1",))
        users.visit(round_, users=6)
    there = joined_before(round_, 6, 400)
    assert 0 < len(there) < 6
    user_of = {row["connection_id"]: row["user"] for row in users.rows("opened")}
    closed = {user_of[row["connection_id"]]: row for row in users.rows("closed")}
    early_ns = 10_000_000  # as in a storm
    for user, row in closed.items():
        left_early = row["closed_ns"] < round_.visits(user)[0].leave_ms * 1e6 + round_.instant_ns(0)
        assert left_early >= (user in there)
        assert (row["by_server"], row["error"]) == (False, None)
    assert all(closed[user]["closed_ns"] >= round_.instant_ns(400) - early_ns for user in there)
    assert users.rows("returns") == []
    assert len(node.asked) == 6
    began, ended = users.rows("events")
    assert began["detail"] == ended["detail"] == "client_leave clients"
    assert ("complete", False) not in users.phases()


def test_a_fault_that_found_no_user_says_so_when_the_round_is_over(tmp_path: Path) -> None:
    """Once it left no trace: nobody could tell it from one that was not planned."""
    with running(live) as (_, host):
        users = Users(tmp_path, host)
        round_ = make_round(faults=("client_leave@1ms:share=1", "slow_client@2ms:for=10ms"))
        users.visit(round_, users=2)
    rows = users.rows("events")
    assert [(row["kind"], row["detail"]) for row in rows] == [
        ("fault_began", "client_leave nobody"),
        ("fault_ended", "client_leave nobody"),
        ("fault_began", "slow_client nobody"),
        ("fault_ended", "slow_client nobody"),
    ]
    began_ms = [(row["at_ns"] - round_.instant_ns(0)) / 1e6 for row in rows]
    assert [round(ms - round_.timetable.plan.first_ms) for ms in began_ms] == [1, 1, 2, 2]


def test_a_slow_user_reads_nothing_for_a_while_and_then_all_of_it(tmp_path: Path) -> None:
    with running(live) as (_, host):
        users = Users(tmp_path, host)
        round_ = make_round(duration_ms=1_500, faults=("slow_client@1s:for=300ms,share=0.5",))
        users.visit(round_, users=8)
    began, ended = users.rows("events")
    assert (began["detail"], ended["detail"]) == ("slow_client clients",) * 2
    assert ended["at_ns"] - began["at_ns"] >= 300_000_000
    received: dict[int, list[tuple[int, int]]] = {}
    for row in users.rows("receipts"):
        received.setdefault(row["connection_id"], []).append((row["at_ns"], row["seq"]))
    user_of = {row["connection_id"]: row["user"] for row in users.rows("opened")}
    still = {
        user_of[connection]
        for connection, came in received.items()
        if not any(began["at_ns"] + 20e6 < at_ns < began["at_ns"] + 280e6 for at_ns, _ in came)
    }
    there = joined_before(round_, 8, 1_000)
    assert 0 < len(still & there) < len(there)
    for connection, came in received.items():
        if user_of[connection] in still:
            assert [seq for _, seq in came] == list(range(1, len(came) + 1))
            assert came[-1][0] > ended["at_ns"]
    assert users.rows("returns") == []


def test_whom_a_fault_hits_comes_from_the_seed(tmp_path: Path) -> None:
    def hit() -> list[int]:
        round_ = make_round(faults=("slow_client@400ms:for=50ms,share=0.3",))
        faults = ClientFaults(round_, Recorder(tmp_path, "locust"))
        return [user for user in range(1_000) if faults.await_(user, cell=0)]

    first = hit()
    assert first == hit()
    assert 250 < len(first) < 350


def test_a_fault_that_nobody_lived_to_see_did_not_happen(tmp_path: Path) -> None:
    round_ = make_round(faults=("slow_client@400ms:for=50ms,share=1",))
    recorder = Recorder(tmp_path, "locust")
    faults = ClientFaults(round_, recorder)
    [left] = faults.await_(1, cell=0)
    [stays] = faults.await_(2, cell=0)
    left.spare()
    assert faults.await_(3, cell=1) == []
    stays.spare()
    recorder.close()
    assert not list(tmp_path.glob("*.events.arrows"))


def waits_s(monkeypatch: pytest.MonkeyPatch, seed: str, tries: int) -> list[float]:
    """How long a user waits before each of its tries, all of which fail."""
    waits: list[float] = []
    monkeypatch.setattr(gevent, "sleep", waits.append)
    ids = itertools.count(2)
    worker: Any = SimpleNamespace(
        recorder=SimpleNamespace(add=lambda *_, **__: None), next_connection_id=lambda: next(ids)
    )
    record: Any = SimpleNamespace(connection_id=1, leave_ns=now_ns() + 10**12)
    away = Away(worker, record, random.Random(seed), lambda *_: None)
    for _ in range(tries):
        away.lose(now_ns(), ConnectFailed("refused"), was_open=False)
        away.next_try(0)
    return waits


def test_waits_grow_come_from_the_seed_and_spread_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a common loss they must not all be back in the same millisecond."""
    first = waits_s(monkeypatch, "user 1", 12)
    assert first == waits_s(monkeypatch, "user 1", 12)
    assert first != waits_s(monkeypatch, "user 2", 12)
    bounds = [min(1.0, 0.05 * 2**n) for n in range(12)]
    assert all(wait <= bound for wait, bound in zip(first, bounds, strict=True))
    firsts = sorted(waits_s(monkeypatch, f"user {n}", 1)[0] for n in range(100))
    assert firsts[10] < 0.02 < 0.03 < firsts[90]  # from nothing up, not just around a mean
