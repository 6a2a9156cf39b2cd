"""What `--redis` takes, what it refuses, and that no error repeats a password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from chunk7.delivery.errors import UsageError
from chunk7.wire.store.address import FORMS, parse_address


@pytest.mark.parametrize(
    ("url", "place", "kind", "options"),
    [
        ("redis://h", "h:6379", Connection, {"host": "h"}),
        (
            "redis://u:p%40@h:1/2",
            "h:1",
            Connection,
            {"host": "h", "port": 1, "db": 2, "username": "u", "password": "p@"},
        ),
        ("redis://[::1]:7", "[::1]:7", Connection, {"host": "::1", "port": 7}),
        ("redis://h?db=3&max_connections=9", "h:6379", Connection, {"host": "h", "db": 3}),
        (
            "rediss://h?ssl_cert_reqs=none&ssl_ca_certs=ca.pem",
            "h:6379",
            SSLConnection,
            {"host": "h", "ssl_cert_reqs": "none", "ssl_ca_certs": "ca.pem"},
        ),
        (
            "unix:///tmp/s.sock?db=1",
            "/tmp/s.sock",  # noqa: S108
            UnixDomainSocketConnection,
            {"path": "/tmp/s.sock", "db": 1},  # noqa: S108
        ),
    ],
)
def test_one_store(url: str, place: str, kind: type, options: dict[str, object]) -> None:
    address = parse_address(url)
    assert (address.place, address.kind, address.options) == (place, kind, options)
    assert address.service == ""


def test_sentinel_has_servers_a_service_and_options_of_its_own() -> None:
    address = parse_address(
        "redis+sentinel://u:p@a:1,b,[::1]:3/chat/2?sentinel_username=su&sentinel_password=sp"
    )
    assert address.sentinels == (("a", 1), ("b", 26379), ("::1", 3))
    assert (address.service, address.kind) == ("chat", Connection)
    assert address.options == {"username": "u", "password": "p", "db": 2}
    assert address.place == "chat of a:1,b:26379,[::1]:3"
    asking = address.sentinel_options
    assert (asking["username"], asking["password"], "ssl" in asking) == ("su", "sp", False)


def test_sentinel_over_tls_asks_over_tls() -> None:
    address = parse_address("rediss+sentinel://a/chat?ssl_ca_certs=ca.pem")
    assert address.kind is SSLConnection
    assert address.sentinel_options["ssl"] is True
    assert address.sentinel_options["ssl_ca_certs"] == "ca.pem"
    assert address.options["ssl_ca_certs"] == "ca.pem"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", ""),
        ("http://x", ""),
        ("localhost:6379", ""),
        ("redis://", "HOST is missing; "),
        ("redis://h:port", "the port is no number; "),
        ("redis://h/zero", "the database is no number; "),
        ("redis://h?socket_timeout=x", "Invalid value for 'socket_timeout' in connection URL; "),
        ("rediss://h?ssl_cert_reqs=x", "Invalid SSL Certificate Requirements Flag: x; "),
        ("unix://", "PATH is missing; "),
        ("redis+sentinel://a:1", "SERVICE is missing; "),
        ("redis+sentinel://a,:1/chat", "HOST is missing; "),
        ("redis+sentinel://a/chat/zero", "the database is no number; "),
        ("unix+sentinel://a/chat", ""),
    ],
)
def test_what_cannot_be_used_is_one_line_with_the_forms(url: str, reason: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_address(url)
    assert str(refused.value) == f"--redis: {reason}want {FORMS}"


COMMON = "db, username, password, socket_connect_timeout, socket_timeout"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "redis://h?speed=9",
            f"option speed has no effect here: one of {COMMON}, socket_keepalive, ",
        ),
        ("redis://h?retry=3", "option retry has no effect here: "),
        ("redis://h?decode_responses=yes", "option decode_responses has no effect here: "),
        ("redis://h?host=other", "option host has no effect here: "),
        ("redis://h?ssl_ca_certs=x", "option ssl_ca_certs has no effect here: "),
        (
            "unix:///s?socket_keepalive=1",
            f"option socket_keepalive has no effect here: one of {COMMON}",
        ),
        ("redis+sentinel://a/chat?sentinel_speed=9", "option sentinel_speed has no effect here: "),
        ("redis://h?5ecret=1", "an option has no effect here: "),
        ("redis://h?5ecret", "an option has no effect here: "),
        ("redis://h?db=", "option db has no value"),
        ("redis://h?db=1&db=2", "option db is given twice"),
        ("redis://h/1?db=2", "option db is given twice"),
        ("redis://:p@h?password=q", "option password is given twice"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused_by_its_name(url: str, reason: str) -> None:
    """redis-py takes the names of all arguments of a connection; most were silently ignored."""
    with pytest.raises(UsageError) as refused:
        parse_address(url)
    assert str(refused.value).startswith(f"--redis: {reason}")
    assert "5ecret" not in str(refused.value)


@pytest.mark.parametrize("password", ["p%zz", "p%2", "p%", "p%ff", "p%C3%28", "p\udcff"])
@pytest.mark.parametrize("url", ["redis://:{}@h", "redis://h?password={}", "unix://:{}@/s"])
def test_a_password_that_is_badly_encoded_is_refused_and_not_repeated(
    url: str, password: str
) -> None:
    """It used to be sent as something else, which the store then refused, or to be a traceback."""
    with pytest.raises(UsageError) as refused:
        parse_address(url.format(password))
    assert str(refused.value) == (
        f"--redis: it is not UTF-8, percent-encoded (a percent sign itself is %25); want {FORMS}"
    )


def test_a_password_may_be_of_any_characters() -> None:
    address = parse_address("redis://:p%25%2F%3A%40%C3%A9é%20@h")
    assert address.options["password"] == "p%/:@éé "


@given(
    st.sampled_from(["redis://", "rediss://", "unix://", "redis+sentinel://", "http://", ""]),
    st.sampled_from([":{}", "u:{}", ":{}@h", "u:{}@", "u:{}@h:x", "h?password={}&x=1"]),
    st.sampled_from(["", "/0", "/x", "/chat/x", "?speed=9", "?db=x"]),
)
def test_no_error_and_no_text_of_an_address_shows_a_password(a: str, b: str, c: str) -> None:
    """A URL cut wrongly used to be repeated: `redis://:secret` has its password for a port."""
    url = a + b.format("5ecret") + c
    try:
        shown = repr(parse_address(url))
    except UsageError as error:
        shown = str(error)
    assert "5ecret" not in shown
