"""What faults do to containers: to which one, under which name, and whose end is planned."""

from pathlib import Path

import pytest

from chunk7.cluster.deployments.compose_controls import ComposeControls
from chunk7.cluster.deployments.containers import Container


def container(service: str, number: int = 1, id_: str = "") -> Container:
    return Container(id_ or service, service, service, number, "running", "", 0, ())


LISTED = (
    container("node", 2, "b" * 64),
    container("node", 1, "a" * 64),
    container("producer"),
    container("proxy"),
    container("store"),
    container("replica"),
    container("lag"),
    container("lag-back"),
)
FIRST, SECOND = "node-aaaaaaaaaaaa", "node-bbbbbbbbbbbb"


class Kept:
    """Containers that are names; it keeps what was done, and whose end was planned meanwhile."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.planned: set[str] = set()

    def _do(self, what: str, whom: Container) -> None:
        self.done.append((what, whom.title + (" planned" if whom.id in self.planned else "")))

    def kill(self, whom: Container, signal: str = "SIGKILL") -> None:
        self._do(signal, whom)

    def stop(self, whom: Container) -> None:
        self._do("stop", whom)

    def wait_end(self, whom: Container) -> None:
        self._do("wait", whom)

    def start(self, whom: Container) -> None:
        self._do("start", whom)

    def answers(self, whom: Container) -> bool:
        return True

    def pause(self, whom: Container) -> None:
        self._do("pause", whom)

    def unpause(self, whom: Container) -> None:
        self._do("unpause", whom)


def controls(folder: Path) -> tuple[ComposeControls, Kept, list[str]]:
    kept, deaths = Kept(), list[str]()
    made = ComposeControls(
        kept,  # type: ignore[arg-type]
        LISTED,
        kept.planned,
        folder,
        0.0,
        deaths.append,
    )
    return made, kept, deaths


async def test_a_killed_node_is_excused_until_it_runs_again_under_its_next_name(
    tmp_path: Path,
) -> None:
    found, kept, deaths = controls(tmp_path)
    assert found.nodes == [FIRST, SECOND]
    await found.kill(SECOND)
    assert await found.start(SECOND) == f"{SECOND}-2"
    assert found.nodes == [FIRST, f"{SECOND}-2"]
    assert kept.done == [
        ("SIGKILL", "node-2 planned"),
        ("wait", "node-2 planned"),
        ("start", "node-2 planned"),
    ]
    assert (deaths, kept.planned) == ([SECOND], set())


async def test_a_stopped_node_ends_in_order_so_its_records_have_an_end(tmp_path: Path) -> None:
    found, kept, deaths = controls(tmp_path)
    await found.stop(FIRST)
    await found.start(FIRST)
    await found.stop(f"{FIRST}-2")
    assert await found.start(f"{FIRST}-2") == f"{FIRST}-3"
    assert deaths == []
    assert [what for what, _ in kept.done] == ["stop", "wait", "start"] * 2


async def test_a_node_is_found_by_a_name_of_an_earlier_life(tmp_path: Path) -> None:
    """One fault pauses it, another starts it again, and the first one wakes it by the old name."""
    found, kept, _ = controls(tmp_path)
    await found.pause(FIRST)
    await found.start(FIRST)
    await found.resume(FIRST)
    assert kept.done == [("pause", "node-1"), ("start", "node-1"), ("unpause", "node-1")]


async def test_a_store_that_comes_back_empty_finds_nothing_of_an_earlier_restart(
    tmp_path: Path,
) -> None:
    found, kept, deaths = controls(tmp_path)
    snapshot = tmp_path / "store" / "dump.rdb"
    snapshot.parent.mkdir()
    snapshot.write_text("all that there was")
    await found.restart_store(keep=False)
    assert not snapshot.exists()
    assert [what for what, _ in kept.done] == ["SIGKILL", "wait", "start"]
    assert deaths == []  # it has no records


async def test_a_failover_ends_the_primary_and_what_its_replica_heard_it_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next one, from the replica that took over, goes the other way."""
    told: list[tuple[str, ...]] = []

    async def ask(self: ComposeControls, name: str, *command: str | bytes | int) -> bytes:
        told.append((name, *map(str, command)))
        return b"master_link_status:up"

    async def put(
        self: ComposeControls, part: str, port: int, path: str, body: dict[str, object]
    ) -> None:
        told.append((part, path, *map(str, body.values())))

    monkeypatch.setattr(ComposeControls, "_ask", ask)
    monkeypatch.setattr(ComposeControls, "_put", put)
    found, kept, _ = controls(tmp_path)
    await found.set_lag(50)
    told.clear()
    await found.fail_over(0)
    await found.restore_replica()
    assert told == [
        ("replica", "REPLICAOF", "NO", "ONE"),
        ("link", "/store", "replica:6379"),
        ("store", "REPLICAOF", "lag-back", "6379"),
        ("store", "INFO", "replication"),
        ("lag-back", "/latency", "50"),
        ("link", "/store", "replica:6379", "store:6379"),
    ]
    killed = [whom for what, whom in kept.done if what == "SIGKILL"]
    await found.fail_over(0)
    await found.pause("store")  # whichever it is
    assert [whom for what, whom in kept.done if what == "SIGKILL"] == [
        *killed,
        "lag-back-1 planned",
        "replica-1 planned",
    ]
    assert killed == ["lag-1 planned", "store-1 planned"]
    assert kept.done[-1] == ("pause", "store-1")


async def test_the_proxy_reloads_by_a_signal_and_goes_on(tmp_path: Path) -> None:
    found, kept, _ = controls(tmp_path)
    await found.reload_proxy()
    assert kept.done == [("SIGHUP", "proxy-1")]
