"""Which requests a server takes for its own users', and which for another site's page's."""

import argparse
from collections.abc import Mapping

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.wire.options import Parser
from chunk7.wire.origins import Origins, add_origins, json_refusal, origins_of

LOOPBACK = origins_of("127.0.0.1")
HERE = "127.0.0.1:8080"


def given(*words: str, environment: Mapping[str, str] | None = None) -> argparse.Namespace:
    """The options of a command line."""
    parser = Parser(prog="p")
    add_origins(parser, environment or {})
    return parser.parse_args(words)


def refused(origins: Origins = LOOPBACK, reads_only: bool = False, **headers: str) -> str | None:
    """Which header a request is refused for; None: it is let in."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    reason = origins.refusal(pairs, reads_only)
    return None if reason is None else reason.partition(":")[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": HERE},  # curl, Locust's users, our own processes
        {"Host": "localhost:8080"},
        {"Host": "LOCALHOST"},
        {"Host": "127.5.5.5"},
        {"Host": "[::1]:8080"},
        {"Host": HERE, "Origin": f"http://{HERE}"},
        {"Host": HERE, "Origin": f"http://{HERE}", "Sec_Fetch_Site": "same-origin"},
        {"Host": HERE, "Sec_Fetch_Site": "none"},  # typed into the address bar
        {"Host": "localhost", "Origin": "http://localhost:80"},
        {"Host": "localhost", "Origin": "https://localhost:443"},  # a proxy ended its TLS
    ],
)
def test_our_own_pages_and_tools_are_let_in(headers: dict[str, str]) -> None:
    assert refused(**headers) is None


@pytest.mark.parametrize(
    ("header", "headers"),
    [
        ("Host", {}),
        ("Host", {"Host": ""}),
        ("Host", {"Host": "evil.example:8080"}),
        ("Host", {"Host": "evil.example", "Origin": "http://evil.example"}),
        ("Host", {"Host": "localhost.evil.example"}),
        ("Host", {"Host": "127.0.0.1.evil.example"}),
        ("Host", {"Host": "192.168.0.7:8080"}),
        ("Host", {"Host": "0.0.0.0:8080"}),
        ("Host", {"Host": "127.0.0.1@evil.example"}),
        ("Host", {"Host": "127.0.0.1:8080, evil.example"}),
        ("Host", {"Host": "localhost\t"}),
        ("Host", {"Host": "2130706433"}),
        ("Origin", {"Host": HERE, "Origin": "http://evil.example"}),
        ("Origin", {"Host": HERE, "Origin": "http://127.0.0.1:9999"}),  # another server of ours
        ("Origin", {"Host": HERE, "Origin": "http://localhost:8080"}),
        ("Origin", {"Host": HERE, "Origin": "null"}),  # a sandbox, a file
        ("Origin", {"Host": HERE, "Origin": ""}),
        ("Origin", {"Host": HERE, "Origin": f"http://{HERE}/"}),
        ("Origin", {"Host": HERE, "Origin": f"http://evil.example@{HERE}"}),
        ("Sec-Fetch-Site", {"Host": HERE, "Sec_Fetch_Site": "cross-site"}),
        ("Sec-Fetch-Site", {"Host": HERE, "Sec_Fetch_Site": "same-site"}),
        ("Sec-Fetch-Site", {"Host": HERE, "Sec_Fetch_Site": "whatever"}),
    ],
)
def test_other_sites_pages_are_not(header: str, headers: dict[str, str]) -> None:
    assert refused(**headers) == header


def test_a_header_that_is_given_twice_is_refused() -> None:
    """Who reads the first and who reads the last would see two requests."""
    twice = [("host", "evil.example"), ("Host", HERE)]
    assert LOOPBACK.refusal(twice) == "host: given twice"


def test_what_only_reads_may_come_from_a_link_but_not_by_another_name() -> None:
    assert refused(reads_only=True, Host=HERE, Sec_Fetch_Site="cross-site") is None
    assert refused(reads_only=True, Host="evil.example") == "Host"


def test_who_listens_everywhere_has_every_address_but_no_name() -> None:
    """An address in digits cannot be rebound: a page of that origin came from there."""
    everywhere = origins_of("0.0.0.0")
    assert refused(everywhere, Host="192.168.0.7:8080") is None
    assert refused(everywhere, Host="[fe80::1]") is None
    assert refused(everywhere, Host="evil.example") == "Host"
    assert refused(everywhere, Host="10.0.0.1", Origin="http://evil.example") == "Origin"
    assert [origins_of(host).any_address for host in ("::", "", "*", "::1")] == [True] * 3 + [False]


def test_names_and_pages_can_be_allowed() -> None:
    words = ("--allow-host", "Node", "--allow-host", "chat.example")
    origins = origins_of("10.0.0.1", given(*words, "--allow-origin", "https://app.example"))
    for host in ("node:8080", "chat.example", "10.0.0.1:80", "localhost"):
        assert refused(origins, Host=host) is None
    page = {"Origin": "https://app.example", "Sec_Fetch_Site": "cross-site"}
    assert refused(origins, Host="node", **page) is None
    assert refused(origins, Host="evil.example", **page) == "Host"
    assert refused(origins, Host="node", Origin="http://app.example") == "Origin"


def test_the_environment_allows_for_every_process_of_a_cluster() -> None:
    environment = {
        "CHUNK7_ALLOW_HOSTS": "a.example, b.example",
        "CHUNK7_ALLOW_ORIGINS": "http://c.example:81",
    }
    origins = origins_of("localhost", given("--allow-host", "d.example", environment=environment))
    assert origins.hosts == {"a.example", "b.example", "d.example", "localhost"}
    assert origins.pages == {"http://c.example:81"}


@pytest.mark.parametrize(
    ("option", "value", "line"),
    [
        ("--allow-host", "a:80", "--allow-host: 'a:80' is not a host's name, without a port"),
        ("--allow-host", "*", "--allow-host: '*' is not"),
        ("--allow-origin", "app.example", "--allow-origin: 'app.example' is not http(s)://HOST"),
        ("--allow-origin", "*", "--allow-origin: '*' is not http(s)://HOST[:PORT]"),
        ("--allow-origin", "null", "--allow-origin: 'null' is not"),
        ("--allow-origin", "http://a/", "--allow-origin: 'http://a/' is not"),
    ],
)
def test_a_bad_one_is_named_in_one_line(option: str, value: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        origins_of("localhost", given(option, value))
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(
    ("content_type", "taken"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/plain", False),
        ("text/plain; application/json", False),
        ("application/x-www-form-urlencoded", False),
        ("application/jsonp", False),
        ("", False),
    ],
)
def test_json_is_read_of_application_json_only(content_type: str, taken: bool) -> None:
    assert (json_refusal(content_type) is None) is taken
