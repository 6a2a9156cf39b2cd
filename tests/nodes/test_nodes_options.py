"""The node's command line."""

from pathlib import Path

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.nodes.options import NodeOptions, parse_options
from chunk7.wire.origins import origins_of

REQUIRED = ["--listen", "127.0.0.1:8000", "--redis", "redis://h", "--name", "n1", "--records", "r"]
OWN = """
from chunk7.delivery.ordering import connect_ordering
@connect_ordering()
def own(join):
    yield
@connect_ordering()
def buffered_merge(join):
    yield
"""


def test_what_is_not_given_has_its_default() -> None:
    assert parse_options(REQUIRED) == NodeOptions(
        host="127.0.0.1",
        port=8000,
        redis="redis://h",
        name="n1",
        records=Path("r"),
        connect="history_then_subscribe",
        orderings=CONNECT_ORDERINGS,
        node_work_ms=0,
        heartbeat_ms=500,
        max_outbox_kb=256,
        max_clients=5000,
        max_history_mb=64,
        max_fetches_s=20,
        drain_s=5,
        producer=None,
        origins=origins_of("127.0.0.1"),
        tokens=None,
    )


def test_the_producer_is_an_address() -> None:
    assert parse_options([*REQUIRED, "--producer", "http://p:81/"]).producer == "http://p:81"


def test_an_ipv6_address_comes_in_brackets() -> None:
    options = parse_options([*REQUIRED, "--listen", "[::1]:80"])
    assert (options.host, options.port) == ("::1", 80)


def test_a_user_s_orderings_join_the_registry_under_their_names(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    options = parse_options([*REQUIRED, "--ordering", f"{path}:own", "--connect", "own"])
    assert list(options.orderings) == [*CONNECT_ORDERINGS, "own"]
    assert options.connect == "own"
    assert "own" not in CONNECT_ORDERINGS


def test_the_default_ordering_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    options = parse_options([*REQUIRED, "--connect", f"{path}:own"])
    assert options.connect == "own"
    assert "own" in options.orderings


@pytest.mark.parametrize("option", ["--ordering", "--connect"])
def test_an_ordering_may_not_take_a_name_that_is_taken(tmp_path: Path, option: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    with pytest.raises(UsageError, match=f"{option}: there already is an ordering named 'buffere"):
        parse_options([*REQUIRED, option, f"{path}:buffered_merge"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--listen", "8000"], "--listen: '8000' is not HOST:PORT"),
        (["--listen", "h:99999"], "--listen: 'h:99999' is not HOST:PORT with a port of 0 to 65535"),
        (["--listen", "h:x"], "--listen: 'h:x' is not"),
        (["--name", "a b"], "--name: 'a b' is not 1 to 64 letters"),
        (["--name", "../x"], "--name: '../x' is not"),
        (["--connect", "fast"], "--connect: unknown ordering 'fast': one of history_then"),
        (["--connect", "none.py:x"], "--connect: no ordering file none.py"),
        (["--ordering", "x"], "--ordering: unknown ordering 'x'"),
        (["--node-work-ms", "-1"], "--node-work-ms -1: must be between 0 and 10000"),
        (["--node-work-ms", "nan"], "--node-work-ms nan: must be between 0 and 10000"),
        (["--heartbeat-ms", "0"], "--heartbeat-ms: 0 is not 10 to 60000"),
        (["--heartbeat-ms", "1.5"], "--heartbeat-ms: invalid int value: '1.5'"),
        (["--max-outbox-kb", "0"], "--max-outbox-kb: 0 is not 1 to 1048576"),
        (["--max-clients", "0"], "--max-clients: 0 is not 1 to 100000"),
        (["--drain-s", "-1"], "--drain-s: -1.0 is not 0 to 600"),
        (["--producer", "h:80"], "--producer: 'h:80' is not http://HOST:PORT"),
        (["--producer", "https://h"], "--producer: 'https://h' is not http://HOST:PORT"),
        (["--producer", "http://"], "--producer: 'http://' is not http://HOST:PORT"),
        (["--producer", "http://h/x"], "--producer: 'http://h/x' is not http://HOST:PORT"),
        (["--producer", "http://h:x"], "--producer: 'http://h:x' is not http://HOST:PORT"),
        (["--heart", "5"], "unrecognized arguments: --heart 5"),
    ],
)
def test_a_bad_option_is_named_with_what_it_may_be(arguments: list[str], reason: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_options([*REQUIRED, *arguments])
    assert str(error.value).startswith(reason)
    assert "\n" not in str(error.value)


def test_missing_options_are_named() -> None:
    with pytest.raises(UsageError, match="required: --listen, --redis, --name, --records"):
        parse_options([])
