"""A bad command line of any of our processes is one line."""

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.wire.options import Parser, listen_address


@pytest.mark.parametrize(
    ("listen", "address"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("node:65535", ("node", 65535))],
)
def test_addresses(listen: str, address: tuple[str, int]) -> None:
    assert listen_address(listen) == address


@pytest.mark.parametrize("listen", ["", "80", ":80", "host:", "host:x", "host:65536", "host:-1"])
def test_anything_else_is_refused(listen: str) -> None:
    with pytest.raises(UsageError, match=r"--listen: .* is not HOST:PORT"):
        listen_address(listen)


def test_a_parser_raises_instead_of_printing_its_usage() -> None:
    parser = Parser(prog="p")
    parser.add_argument("--count", type=int)
    with pytest.raises(UsageError, match=r"^--count: invalid int value: 'x'$"):
        parser.parse_args(["--count", "x"])
    with pytest.raises(UsageError, match="unrecognized arguments: --cou"):
        parser.parse_args(["--cou", "1"])


@pytest.mark.parametrize("words", [("--redi", "redis://:s3cret@h"), ("redis://h?password=s3cret",)])
def test_what_an_error_line_repeats_has_lost_its_password(words: tuple[str, ...]) -> None:
    """A misspelt --redis used to be told with its URL."""
    with pytest.raises(UsageError, match=r"unrecognized arguments: .*\*\*\*") as refused:
        Parser(prog="p").parse_args(words)
    assert "s3cret" not in str(refused.value)
