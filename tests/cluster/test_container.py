"""What the containers of a compose cluster are started with, worked out without any container."""

import json
import os
import time
from pathlib import Path

import pytest

from chunk7 import container
from chunk7.cluster.deployments.proxy import render_for_compose
from chunk7.cluster.deployments.roles import around_store, write_roles
from chunk7.cluster.settings import read_settings
from chunk7.commands import run
from chunk7.container import _command, main
from chunk7.wire.options import Parser
from chunk7.wire.recorder import Recorder

CODE = Path(__file__).parents[2] / "chunk7"


@pytest.fixture
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run folder's name behind which `init` makes one."""
    monkeypatch.setenv("CHUNK7_RUN", str(tmp_path / "current"))
    monkeypatch.setenv("CHUNK7_OPTIONS", "--node-work-ms 20 --users 7 --connect buffered_merge")
    return tmp_path / "current"


def option(words: list[str], name: str) -> str:
    """The value of an option among a command's words."""
    return words[words.index(name) + 1]


def test_init_makes_a_run_folder_with_the_command_of_each_part(current: Path) -> None:
    assert main("init") == 0
    folder = current.resolve()
    assert (folder / "raw").is_dir()
    assert (folder / "nginx" / "nginx.conf").read_text() == render_for_compose(8080, 8080, 5_000)
    roles = json.loads((folder / "roles.json").read_text())
    assert roles.keys() == {
        *("node", "producer", "delay", "link", "lag", "lag-back"),
        *("locust", "worker", "load", "cluster"),
    }
    assert option(roles["node"], "--node-work-ms") == "20"
    assert option(roles["node"], "--redis") == "redis://store:6379/0"
    assert option(roles["node"], "--producer") == "http://producer:8081"
    assert option(roles["locust"], "--users") == "7"
    assert option(roles["locust"], "--host") == "ws://proxy:8080"
    assert "buffered_merge x atomic_lua" in option(roles["load"], "--cells")
    assert option(roles["locust"], "--delivery") == "http://cluster:8090"
    assert "history_then_subscribe x publish_then_save" in option(roles["locust"], "--pairs")
    assert "--store-delay" not in roles["locust"]
    assert (
        option(roles["locust"], "--fault-names")
        == "slow_client,client_reconnect_storm,client_leave"
    )


def test_with_faults_before_the_store_the_parts_go_by_way_of_what_does_them(
    tmp_path: Path,
) -> None:
    """The delay is the farther one, as on local processes: the link tells nodes by their names."""
    parser = Parser(prog="chunk7")
    run.add_parser(parser.add_subparsers(dest="command"))
    faults = ("--fault", "network_cut@1s", "--fault", "store_latency@1s")
    settings = read_settings(parser.parse_args(["run", "--cluster", "compose", *faults]))
    write_roles(settings, settings.local, tmp_path, Path("/runs"), "n")
    roles = json.loads((tmp_path / "roles.json").read_text())
    assert option(roles["node"], "--redis") == "redis://delay:6379/0"
    assert option(roles["delay"], "--to") == "link:6379"
    assert option(roles["link"], "--to") == "store:6379"
    assert "--replica" not in roles["link"]
    assert around_store(0, settings.local.needs) == ("link", "delay")
    assert around_store(2, frozenset()) == ("delay",)


def test_a_replica_hears_from_its_primary_through_a_delay_whichever_of_the_two_that_is(
    tmp_path: Path,
) -> None:
    parser = Parser(prog="chunk7")
    run.add_parser(parser.add_subparsers(dest="command"))
    words = ("run", "--cluster", "compose", "--fault", "store_failover@1s")
    settings = read_settings(parser.parse_args(words))
    write_roles(settings, settings.local, tmp_path, Path("/runs"), "n")
    roles = json.loads((tmp_path / "roles.json").read_text())
    assert option(roles["link"], "--replica") == "replica:6379"
    assert option(roles["lag"], "--to") == "store:6379"
    assert option(roles["lag-back"], "--to") == "replica:6379"
    assert around_store(0, settings.local.needs) == ("replica", "lag", "link")


def test_a_node_that_fails_is_asked_again_at_once() -> None:
    """nginx passed both nodes over for as long as clients asked, after the store had restarted."""
    text = render_for_compose(8080, 8080, 10)
    assert "server node:8080 resolve max_fails=0;" in text


def test_with_latency_the_parts_reach_the_store_through_the_delay(
    current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUNK7_OPTIONS", "--store-latency-ms 3")
    assert main("init") == 0
    roles = json.loads((current / "roles.json").read_text())
    assert option(roles["node"], "--redis") == "redis://delay:6379/0"
    assert option(roles["producer"], "--redis") == "redis://delay:6379/0"
    assert (option(roles["delay"], "--to"), option(roles["delay"], "--latency-ms")) == (
        "store:6379",
        "3",
    )
    assert option(roles["delay"], "--control") == "0.0.0.0:8082"
    assert option(roles["locust"], "--store-delay") == "http://delay:8082"


def test_init_keeps_the_folder_while_somebody_writes_into_it_and_makes_another_later(
    current: Path,
) -> None:
    """`docker compose up --scale` runs it again beside a cluster that is up."""
    assert main("init") == 0
    first = current.resolve()
    recorder = Recorder(first / "raw", "node-1")
    recorder.add("clocks", at_ns=1)
    recorder.close()
    assert main("init") == 0
    assert current.resolve() == first
    [records] = (first / "raw").iterdir()
    os.utime(records, (time.time() - 60,) * 2)
    first.rename(first.with_name("an-hour-ago"))  # its name is the time, in seconds
    current.unlink()
    current.symlink_to("an-hour-ago")
    assert main("init") == 0
    assert current.resolve() != first.with_name("an-hour-ago")
    assert (current / "roles.json").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--nodes none", "CHUNK7_OPTIONS: --nodes none: want a whole number"),
        (
            "--fault node_kill@1s",
            "--fault node_kill@1s: nobody strikes the containers of docker compose up",
        ),
        ("--redis redis://a:1", "CHUNK7_OPTIONS: --redis: the compose cluster has its own"),
        ("--connect nothing", "--connect: unknown ordering 'nothing'"),
    ],
)
def test_bad_options_end_init_in_one_line(
    current: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    line: str,
) -> None:
    monkeypatch.setenv("CHUNK7_OPTIONS", words)
    assert main("init") == 2
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(f"chunk7: error: {line}")
    assert not current.exists()


def test_a_part_that_starts_again_takes_another_name(
    current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main("init") == 0
    folder = current.resolve()
    monkeypatch.setattr("socket.gethostname", lambda: "abc")
    assert option(_command("node", folder), "--name") == "node-abc"
    recorder = Recorder(folder / "raw", "node-abc")
    recorder.add("clocks", at_ns=1)
    recorder.close()
    assert option(_command("node", folder), "--name") == "node-abc-2"
    assert option(_command("producer", folder), "--name") == "producer"
    locust = _command("locust", folder)
    assert option(locust, "-f") == str(CODE / "loadtest" / "locustfile.py")
    assert option(locust, "--run-name").startswith("up-20")


def test_the_token_of_the_notebooks_is_new_each_time_and_in_no_command_line(
    current: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main("init") == 0
    here = tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    tokens = set()
    for _ in range(2):
        monkeypatch.delenv("JUPYTER_TOKEN", raising=False)
        words = _command("notebooks", current.resolve())
        tokens.add(os.environ["JUPYTER_TOKEN"])
        kept = current / "notebooks.token"
        assert kept.read_text() == os.environ["JUPYTER_TOKEN"] + "\n"
        assert kept.stat().st_mode & 0o777 == 0o600
        assert not any(token in word for word in words for token in tokens)
    for port in ("PORT", "WEB_PORT", "NOTEBOOKS_PORT", "STATUS_PORT", "RUNS"):
        monkeypatch.setenv(f"CHUNK7_{port}", "1")
    told = " ".join(_command("cluster", current.resolve()))
    assert f"docker compose exec notebooks cat {current.resolve() / 'notebooks.token'}" in told
    assert not any(token in told for token in tokens), "it was on the command line, and in the log"
    assert len(tokens) == 2


def test_each_part_answers_to_the_name_that_the_others_call_it_by(current: Path) -> None:
    assert main("init") == 0
    roles = json.loads((current / "roles.json").read_text())
    named = {role: option(words, "--allow-host") for role, words in roles.items() if called(words)}
    assert named == {
        "node": "proxy",
        "producer": "producer",
        "delay": "delay",
        "link": "link",
        "lag": "lag",
        "lag-back": "lag-back",
        "locust": "locust",
        "cluster": "cluster",
    }


def called(words: list[str]) -> bool:
    """Whether a part has a name of its own in the network."""
    return "--allow-host" in words


def test_notebooks_open_the_sample_and_find_the_run_folders_beside_them(
    current: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHUNK7_RUN once reached the notebooks, which then opened records still being written."""
    assert main("init") == 0
    here = tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("JUPYTER_TOKEN", "")  # put back afterwards
    for _ in range(2):
        _command("notebooks", current.resolve())
    assert "CHUNK7_RUN" not in os.environ
    assert (here / "runs" / "current").resolve() == current.resolve()


def test_jupyter_opens_on_a_notebook_without_terminal_and_without_the_notebooks_sources(
    current: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opened on a launcher, offered a shell by default, and listed each notebook twice."""
    assert main("init") == 0
    here = tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("JUPYTER_TOKEN", "")  # put back afterwards
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setattr(container, "_NOTEBOOKS", CODE.parent / "notebooks")
    words = _command("notebooks", current.resolve())
    assert "--ServerApp.terminals_enabled=False" in words
    [first] = [word.partition("=/lab/tree/")[2] for word in words if "default_url" in word]
    assert (here / first).is_file()
    assert (tmp_path / "jupyter" / "nbsignatures.db").is_file(), "their figures may be shown"
    assert [*here.glob("*.py")] == []
    assert len([*here.glob("*.ipynb")]) == 5


def test_an_unknown_role_is_named_with_those_there_are(
    current: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("init") == 0
    assert main("cook") == 2
    assert "no role 'cook': one of init, notebooks, node," in capsys.readouterr().err


def test_grafana_s_password_is_random_its_owner_s_and_stays_while_the_folder_does(
    current: Path,
) -> None:
    assert main("init") == 0
    password = current.resolve() / "grafana.password"
    first = password.read_text()
    assert len(first.strip()) >= 32
    assert password.stat().st_mode & 0o777 == 0o600
    (current / "raw" / "node.health.arrows").write_bytes(b"")  # somebody writes into it
    assert main("init") == 0
    assert password.read_text() == first
