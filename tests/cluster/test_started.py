"""A target that chunk7 starts: what it is given, where it is reached, and how it ends."""

import json
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from chunk7.cluster.deployments.probes import accepts
from chunk7.cluster.deployments.started import StartedTarget, starting
from chunk7.delivery.errors import Chunk7Error, PartDied, UsageError
from chunk7.loadtest.targets.adapter import Adapter, read_adapter

pytestmark = pytest.mark.live

APP = """\
import json, os, socket, sys
print("no such table: users", flush=True)
if "dies" in sys.argv:
    sys.exit(3)
if "late" in sys.argv and len(os.listdir()) < 3:  # the program, and how often it was started
    open(os.environ["PORT"], "w").close()
    sys.exit("Error: listen EADDRINUSE: address already in use")
told = {"words": sys.argv[1:], "folder": os.getcwd(), "pid": os.getpid()}
told |= {name: os.environ.get(name) for name in ("PORT", "REDIS_URL", "MODE")}
with open(f"told-{told['PORT']}.json", "w") as file:
    json.dump(told, file)
if "deaf" not in sys.argv:
    listener = socket.create_server(("127.0.0.1", int(told["PORT"])))
while True:
    listener.accept() if "deaf" not in sys.argv else __import__("time").sleep(60)
"""


def adapter_of(place: Path, *words: str, **more: Any) -> Adapter:
    """One whose target is the program above, with these words."""
    (place / "server").mkdir(exist_ok=True)
    (place / "server" / "app.py").write_text(APP)
    start = {"command": [sys.executable, "app.py", *words], "folder": "server"} | more
    content = {
        "name": "theirs",
        "url": "ws://chat.example.com/ws/{session_id}?key=1",
        "frames": [{"is": "chunk", "text": "$"}],
        "ask": {
            "url": "http://api.example.com:99/ask",
            "reference": {"url": "http://me:pw@api.example.com/done", "text": "t"},
        },
        "start": start,
    }
    file = place / "theirs.yaml"
    file.write_text(yaml.safe_dump(content))
    return read_adapter(file)


def told(folder: Path, port: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "server" / f"told-{port}.json").read_text())
    return found


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_it_is_given_its_port_and_store_and_is_reached_there(tmp_path: Path) -> None:
    adapter = adapter_of(tmp_path, "--at={port}", environment={"MODE": "test"})
    async with StartedTarget(adapter, "redis://h:1/2", tmp_path / "run") as target:
        [port] = target.adapter.ports
        assert target.adapter.url == f"ws://127.0.0.1:{port}/ws/{{session_id}}?key=1"
        assert await accepts("127.0.0.1", port)
        target.check()
    said = told(tmp_path, port)
    pid = said.pop("pid")
    assert said == {
        "words": [f"--at={port}"],
        "folder": str(tmp_path / "server"),
        "PORT": str(port),
        "REDIS_URL": "redis://h:1/2",
        "MODE": "test",
    }
    assert gone(pid)


async def test_of_two_clients_join_the_first_and_the_second_is_asked(tmp_path: Path) -> None:
    adapter = adapter_of(tmp_path, processes=2)
    async with StartedTarget(adapter, None, tmp_path / "run") as target:
        first, second = target.adapter.ports
        ask = target.adapter.ask
        assert ask is not None
        assert not isinstance(ask.reference, str)
        assert f":{first}/" in target.adapter.url
        assert (ask.url, ask.reference.url) == (
            f"http://127.0.0.1:{second}/ask",
            f"http://me:pw@127.0.0.1:{second}/done",
        )
        assert told(tmp_path, first)["pid"] != told(tmp_path, second)["pid"]
        assert (tmp_path / "run" / "logs" / "target-2.log").exists()


async def test_it_is_another_after_a_restart_and_may_get_another_store(tmp_path: Path) -> None:
    async with StartedTarget(adapter_of(tmp_path), "redis://h:1", tmp_path / "run") as target:
        before = told(tmp_path, target.adapter.ports[0])
        await target.restart("redis://h:2")
        between = told(tmp_path, target.adapter.ports[0])
        await target.restart()
        after = told(tmp_path, target.adapter.ports[0])
        assert gone(before["pid"])
        assert gone(between["pid"])
    stores = [one["REDIS_URL"] for one in (before, between, after)]
    assert stores == ["redis://h:1", "redis://h:2", "redis://h:2"]


async def test_one_that_dies_ends_with_its_own_last_line(tmp_path: Path) -> None:
    with pytest.raises(PartDied, match=r"(?s)target ended by itself with exit code 3.*no such tab"):
        async with StartedTarget(adapter_of(tmp_path, "dies"), None, tmp_path / "run"):
            pass


async def test_one_whose_port_somebody_else_was_given_gets_another(tmp_path: Path) -> None:
    async with StartedTarget(adapter_of(tmp_path, "late"), None, tmp_path / "run") as target:
        assert target.adapter.ports
    assert len(list((tmp_path / "server").iterdir())) == 4


async def test_one_that_dies_later_is_seen(tmp_path: Path) -> None:
    async with StartedTarget(adapter_of(tmp_path), None, tmp_path / "run") as target:
        process = psutil.Process(told(tmp_path, target.adapter.ports[0])["pid"])
        process.kill()
        await target._cluster.processes[0].wait()
        with pytest.raises(PartDied, match="target was killed by SIGKILL"):
            target.check()


async def test_one_that_does_not_listen_in_time_is_stopped_and_named(tmp_path: Path) -> None:
    """It was left running: the block that would have stopped it had not begun."""
    adapter = adapter_of(tmp_path, "deaf", ready_s=1.5, processes=2)
    with pytest.raises(PartDied, match=r"target-\d was not ready within 1\.5 s"):
        async with StartedTarget(adapter, None, tmp_path / "run"):
            pass
    files = list((tmp_path / "server").glob("told-*.json"))
    assert len(files) == 2
    assert all(gone(json.loads(file.read_text())["pid"]) for file in files)


async def test_what_cannot_be_started_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Chunk7Error, match=r"target cannot be started: .*no-such-program"):
        async with StartedTarget(
            adapter_of(tmp_path, command=["no-such-program"]), None, tmp_path / "run"
        ):
            pass
    with pytest.raises(UsageError, match=r"theirs\.yaml: start\.folder: no folder .*elsewhere$"):
        async with StartedTarget(adapter_of(tmp_path, folder="elsewhere"), None, tmp_path):
            pass


def test_that_it_is_started_is_said_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "secret")
    adapter = adapter_of(tmp_path, command=["serve", "--key=${KEY}", "{port}"], processes=2)
    assert starting(adapter) == "starting theirs, twice: serve '--key=${KEY}' '{port}'"
    assert adapter.start is not None
    assert adapter.start.command == ("serve", "--key=secret", "{port}")
