"""`--redis` and CHUNK7_REDIS are one option, and a password stays out of every command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.wire.options import Parser
from chunk7.wire.store.option import ENVIRONMENT, add_redis, taken_out, without_password


def parsed(*words: str, required: bool = False) -> str | None:
    parser = Parser(prog="test")
    add_redis(parser, "a store", required=required)
    given: str | None = parser.parse_args(words).redis
    return given


def test_the_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert parsed() is None
    monkeypatch.setenv(ENVIRONMENT, "redis://from-environment")
    assert parsed(required=True) == "redis://from-environment"
    assert parsed("--redis", "redis://given") == "redis://given"
    monkeypatch.setenv(ENVIRONMENT, "")
    with pytest.raises(UsageError, match="required: --redis"):
        parsed(required=True)


def test_a_bad_url_is_refused_wherever_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"^--redis: want redis://HOST"):
        parsed("--redis", "http://x")
    monkeypatch.setenv(ENVIRONMENT, "http://x")
    with pytest.raises(UsageError, match=r"^--redis: want redis://HOST"):
        parsed()


def test_certificates_that_cannot_be_loaded_are_bad_input(tmp_path: Path) -> None:
    """It used to be said at the connect, as if the store were not there."""
    empty = tmp_path / "ca.pem"
    with pytest.raises(UsageError, match=r"^--redis: the ssl_ options: .*No such file"):
        parsed("--redis", f"rediss://h?ssl_ca_certs={empty}")
    empty.touch()
    with pytest.raises(UsageError, match=r"^--redis: the ssl_ options: .*no certificate"):
        parsed("--redis", f"rediss+sentinel://h/chat?ssl_ca_certs={empty}")
    with pytest.raises(UsageError, match=r"^--redis: the ssl_ options: .*cipher"):
        parsed("--redis", "rediss://h?ssl_ciphers=none-of-them")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:secret@host:1/0", "redis://***@host:1/0"),
        ("--redis=redis://:s@host", "--redis=redis://***@host"),
        ("redis+sentinel://:a@b@h:1,i:2/s", "redis+sentinel://***@h:1,i:2/s"),
        ("redis://:a/b?c@host", "redis://***@host"),
        ("unix:///s?password=a&db=1", "unix:///s?password=***&db=1"),
        ("rediss://h?ssl_password=a", "rediss://h?ssl_password=***"),
        (
            "redis+sentinel://h/s?db=1&sentinel_password=a",
            "redis+sentinel://h/s?db=1&sentinel_password=***",
        ),
        ("redis://host:1/0", "redis://host:1/0"),
        ("path/to/file.py:name", "path/to/file.py:name"),
    ],
)
def test_what_is_shown_of_a_url(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_the_option_is_taken_out_of_a_command_line() -> None:
    words = [
        "python",
        "-m",
        "chunk7.nodes",
        "--redis",
        "redis://a",
        "--name",
        "n",
        "--redis=redis://b",
    ]
    assert taken_out(words) == (["python", "-m", "chunk7.nodes", "--name", "n"], "redis://b")
    assert taken_out(["chunk7", "run"]) == (["chunk7", "run"], None)
    assert taken_out(["chunk7", "run", "--redis"]) == (["chunk7", "run"], None)


SHOW = """
import os, sys
from chunk7.wire.store.option import hide_password
hide_password()
print(os.getpid(), open("/proc/self/cmdline").read().split("\\0"), os.environ.get("CHUNK7_REDIS"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("url", "shown", "in_environment"),
    [("redis://:s3cret@h", False, "redis://:s3cret@h"), ("redis://h", True, "None")],
)
def test_a_command_begins_anew_without_the_password_it_was_given(
    url: str, shown: bool, in_environment: str
) -> None:
    """In the same process: who waits for it, or signals it, sees no difference."""
    environment = {name: os.environ[name] for name in os.environ if name != ENVIRONMENT}
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW, "run", "--redis", url],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    out, _ = process.communicate(timeout=100)
    assert out.startswith(f"{process.pid} ")
    assert (url in out.partition("]")[0]) == shown
    assert out.rstrip().endswith(in_environment)
