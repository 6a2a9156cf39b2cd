"""A token lets its session in until it expires, and nothing else."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.errors import UsageError
from chunk7.wire.tokens import BadToken, NoToken, Tokens, read_tokens

SECRET = b"0123456789abcdef"
NOW_S = 1_000.0
TOKENS = Tokens(SECRET, lambda: NOW_S)
TOKEN = "1060.GPlFJmZSXFuW54i1a-3WUIIAx4VHFPjiiWCcl9UJUhs"


def test_the_format_is_that_of_the_documentation() -> None:
    """Worked out by `openssl dgst`, which knows nothing of ours."""
    signed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET.decode(), "-binary"],  # noqa: S607
        input=b"chunk7 session 1\nchat-1\n1060",
        capture_output=True,
        check=True,
    ).stdout
    encoded = subprocess.run(
        ["openssl", "base64", "-A"],  # noqa: S607
        input=signed,
        capture_output=True,
        check=True,
    ).stdout.decode()
    url_safe = encoded.replace("+", "-").replace("/", "_").rstrip("=")
    assert TOKENS.make("chat-1", 60) == f"1060.{url_safe}" == TOKEN


def test_a_token_holds_until_it_expires() -> None:
    Tokens(SECRET, lambda: 1_059.9).check("chat-1", TOKEN)
    with pytest.raises(BadToken, match="token: expired"):
        Tokens(SECRET, lambda: 1_060.0).check("chat-1", TOKEN)


@pytest.mark.parametrize("token", [None, ""])
def test_none_is_none(token: str | None) -> None:
    with pytest.raises(NoToken):
        TOKENS.check("chat-1", token)


@pytest.mark.parametrize(
    "token",
    [
        TOKEN.replace("1060", "9060"),  # longer by the client's own will
        TOKEN.replace("1060", "01060"),
        TOKEN[:-1] + "l",
        TOKEN + "=",
        TOKEN + "\n",
        TOKEN.partition(".")[2],
        "1060.",
        "x",
        "\u0661060" + TOKEN[4:],
    ],
)
def test_what_was_not_signed_is_refused(token: str) -> None:
    with pytest.raises(BadToken) as caught:
        TOKENS.check("chat-1", token)
    assert str(caught.value) == "token: not one for this session"


def test_a_token_of_another_session_or_secret_is_refused() -> None:
    for tokens, session in ((TOKENS, "chat-2"), (Tokens(b"another-secret-xx"), "chat-1")):
        with pytest.raises(BadToken, match="not one for this session"):
            tokens.check(session, TOKEN)


@given(st.text(max_size=80))
def test_whatever_is_sent_is_refused_in_a_line_that_repeats_nothing_of_it(token: str) -> None:
    with pytest.raises((NoToken, BadToken)) as caught:
        TOKENS.check("chat-1", token)
    assert str(caught.value).startswith("token: ")
    assert len(token) < 8 or token not in str(caught.value)


def test_the_secret_is_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    tokens = read_tokens(str(path))
    assert tokens is not None
    Tokens(SECRET).check("s", tokens.make("s", 60))
    assert SECRET.decode() not in repr(tokens)
    assert read_tokens("") is None
    path.chmod(0o640)
    with pytest.raises(UsageError, match=f"--token-secret-file: {path}: mode 640: others may"):
        read_tokens(str(path))


@pytest.mark.parametrize("content", [b"", b"short", b" " * 40, b"x" * 5_000])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(UsageError, match="want a secret of 16 to 4096 bytes"):
        read_tokens(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--token-secret-file: .*none: No such file"):
        read_tokens(str(tmp_path / "none"))
