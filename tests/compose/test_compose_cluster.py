"""`docker compose up cluster` on a real engine: what is up, who may do what, scaling, faults.

The tests share one cluster and run in this order; each leaves it healthy.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from stack import NOBODY, PROJECT, Stack, compose, short, wait_for

from chunk7.cluster.deployments.containers import Container, ContainerGone, connect
from chunk7.cluster.deployments.probes import free_ports

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]  # the images may have to be made


def inspected(container: Container) -> dict[str, Any]:
    """What the engine knows of a container."""
    facts: dict[str, Any] = connect().api.inspect_container(container.id)
    return facts


def status_of(url: str) -> int:
    """Of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - of our own making
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_log_says_what_is_up_and_where(stack: Stack) -> None:
    log = stack.log()
    told = log[log.index("everything is up") :]
    addresses = dict(re.findall(r"^  (\S+(?: \S+)*?)  +(\S.*)$", "\n".join(told), re.M))
    assert addresses["WebSocket"] == f"ws://127.0.0.1:{stack.port}/ws/SESSION?ordering=NAME"
    assert addresses["web UI"] == f"http://127.0.0.1:{stack.web_port}"
    assert status_of(addresses["web UI"]) == 200
    assert status_of(addresses["health"]) == 200
    token = token_of_notebooks(stack)
    assert token not in "\n".join(log)
    contents = f"http://127.0.0.1:{stack.notebooks_port}/api/contents"
    assert status_of(f"{contents}?token={token}") == 200
    assert status_of(contents) == 403
    assert status_of(contents.replace("contents", "terminals") + f"?token={token}") == 404
    assert addresses["notebooks"].endswith("/lab/tree/02_loss_rates.ipynb")
    assert len(token) > 20


def token_of_notebooks(stack: Stack) -> str:
    """As the log says that it can be had."""
    told = next(line for line in stack.log() if " exec notebooks cat " in line)
    [notebooks] = stack.containers.list("notebooks")
    code, said = stack.containers.execute(notebooks, "cat", told.rpartition(" cat ")[2])
    assert code == 0, said
    return said.strip()


def test_a_notebook_runs_where_jupyter_runs(stack: Stack) -> None:
    [notebooks] = stack.containers.list("notebooks")
    assert stack.containers.execute(notebooks, "readlink", "runs") == (0, "/runs\n")
    command = ("env", "-u", "CHUNK7_RUN", "jupyter", "execute", "02_loss_rates.ipynb")
    code, said = stack.containers.execute(notebooks, *command)
    assert code == 0, said


def test_every_container_has_no_rights_beyond_its_own_processes(stack: Stack) -> None:
    running = [c for c in stack.containers.list() if c.status == "running"]
    assert len(running) == 10
    for container in running:
        facts = inspected(container)
        host = facts["HostConfig"]
        assert facts["Config"]["User"] == "10001:10001", container.title
        assert host["ReadonlyRootfs"], container.title
        assert host["CapDrop"] == ["ALL"], container.title
        assert host["SecurityOpt"] == ["no-new-privileges:true"], container.title
        assert host["Memory"] > 0, container.title
        assert 0 < host["PidsLimit"] <= 200, container.title
        bound = {port["HostIp"] for ports in host["PortBindings"].values() for port in ports}
        assert bound <= {"127.0.0.1"}, container.title
        code, _ = stack.containers.execute(container, "bash", "-c", "echo > /anywhere")
        assert code, f"{container.title} can write into its root"
    [store] = stack.containers.list("store")
    assert inspected(store)["HostConfig"]["PortBindings"] == {}


def test_connections_are_dealt_to_all_nodes_in_strict_rotation_also_after_scaling(
    stack: Stack,
) -> None:
    before = stack.records()
    assert len(set(stack.nodes_met(3))) == 3
    stack.compose(
        *("up", "--detach", "--no-build", "--no-recreate", "--scale", "node=5"),
        *("--scale", "worker=2", "cluster"),
    )
    wait_for(lambda: len(set(stack.nodes_met(5)) - {NOBODY}) == 5)
    met = stack.nodes_met(15)
    assert met == met[:5] * 3
    assert set(met) == stack.node_ids()
    wait_for(lambda: stack.parts()["worker"] == (2, 2))
    assert stack.parts()["node"] == (5, 5)
    assert "node: 5 of 5 healthy" in stack.log()
    wait_for(lambda: sum(".health." in name for name in stack.records()) == 6)
    assert before < stack.records(), "the same run folder as before"


def test_a_paused_container_answers_nobody_until_it_goes_on(stack: Stack) -> None:
    node = stack.nodes()[0]
    stack.containers.pause(node)
    assert stack.containers.look(node).status == "paused"
    wait_for(lambda: stack.parts()["node"] == (4, 5))
    stack.containers.unpause(node)
    assert stack.containers.look(node).status == "running"
    wait_for(lambda: stack.parts()["node"] == (5, 5))


def test_a_killed_container_starts_again_and_records_under_another_name(stack: Stack) -> None:
    node = stack.nodes()[1]
    name = f"node-{short(node)}"
    stack.containers.kill(node)
    wait_for(lambda: stack.containers.look(node).status == "exited")
    assert stack.containers.look(node).exit_code == 137
    wait_for(lambda: stack.parts()["node"] == (4, 4))
    stack.containers.start(node)
    wait_for(lambda: stack.parts()["node"] == (5, 5))
    wait_for(lambda: f"{name}-2.health.arrows" in stack.records())
    assert f"{name}.health.arrows" in stack.records()


def test_a_stopped_container_ends_in_order(stack: Stack) -> None:
    node = stack.nodes()[2]
    stack.containers.stop(node)
    assert (stack.containers.look(node).status, stack.containers.look(node).exit_code) == (
        "exited",
        0,
    )
    stack.containers.start(node)
    wait_for(lambda: stack.parts()["node"] == (5, 5))


def test_a_disconnected_container_is_out_of_reach_until_it_is_connected(stack: Stack) -> None:
    node = stack.nodes()[3]
    networks = stack.containers.disconnect(node)
    assert networks == (f"{PROJECT}_default",)
    assert stack.containers.look(node).networks == ()
    wait_for(lambda: stack.parts()["node"] == (4, 4))
    wait_for(lambda: set(stack.nodes_met(8)) == stack.node_ids() - {short(node)})
    stack.containers.connect(node, networks)
    wait_for(lambda: set(stack.nodes_met(5)) == stack.node_ids())
    wait_for(lambda: stack.parts()["node"] == (5, 5))


def test_what_is_gone_is_said_so(stack: Stack) -> None:
    node = stack.nodes()[4]
    stack.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", "node=4", "node")
    with pytest.raises(ContainerGone, match=r"node-5: no such container any more"):
        stack.containers.look(node)
    with pytest.raises(ContainerGone, match="node-5: "):
        stack.containers.pause(node)
    assert len(stack.node_ids()) == 4
    wait_for(lambda: set(stack.nodes_met(8)) == stack.node_ids())


# --- profile observe. Grafana is not started: its image comes from a registry only -----------


@pytest.fixture
def api(stack: Stack) -> Iterator[str]:
    """The address of a Prometheus beside the cluster."""
    [port] = free_ports(1)
    environment = {**stack.environment, "CHUNK7_PROMETHEUS_PORT": str(port)}
    up = ("--profile", "observe", "up", "--detach", "--no-build", "--no-deps", "--wait")
    try:
        compose(*up, "prometheus", environment=environment)
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        compose("--profile", "observe", "rm", "--stop", "--force", "prometheus")


def asked(url: str) -> Any:
    """The data of an answer."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - of our own making
        return json.load(answer)["data"]


def test_prometheus_finds_every_process_and_has_its_rules(stack: Stack, api: str) -> None:
    wanted = {"node": len(stack.nodes()), "producer": 1, "judge": 1, "locust": 1, "prometheus": 1}

    def up() -> dict[str, int]:
        targets = asked(f"{api}/targets")["activeTargets"]
        healthy = [t["labels"]["job"] for t in targets if t["health"] == "up"]
        return {job: healthy.count(job) for job in wanted}

    wait_for(lambda: up() == wanted)
    rules = [rule for group in asked(f"{api}/rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}  # unknown: not tried yet
    assert "Chunk7LossRate" in {rule["name"] for rule in rules}
