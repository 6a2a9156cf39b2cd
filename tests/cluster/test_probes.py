"""Ports that are free, and stay so."""

import socket

import pytest

from chunk7.cluster.deployments import probes
from chunk7.cluster.deployments.probes import free_ports
from chunk7.delivery.errors import Chunk7Error

pytestmark = pytest.mark.clocked


def test_a_free_port_is_none_that_the_system_gives_to_whoever_connects() -> None:
    """A node's was, between its being found and its being used: "address already in use"."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        given = probe.getsockname()[1]
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert max(ports) < 32_768 <= given


def test_a_port_that_somebody_has_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = sorted(free_ports(2))
    monkeypatch.setattr(probes, "_PORTS", [first, second])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        assert free_ports(1) == [second]


def test_too_few_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_PORTS", range(20_000, 20_002))
    with pytest.raises(Chunk7Error, match=r"no 3 free ports from 20000 to 20001 at 127\.0\.0\.1"):
        free_ports(3)
