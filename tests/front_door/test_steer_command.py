"""What `chunk7 steer` says of options and files that it cannot use: one line, exit code 2."""

import json
from pathlib import Path

import pytest

from chunk7.cli import main

TARGET = """
name: relay
url: ws://127.0.0.1:1/ws/{session_id}
frames: [{is: chunk, index: index}]
produce: {write: [atomic_lua]}
"""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "relay.yaml"
    path.write_text(TARGET)
    return path


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["steer", *map(str, words)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    return line.removeprefix("chunk7 steer: error: ")


def test_a_client_comes_back_only_where_the_adapter_says_how(
    target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--target", target, "--redis", "redis://127.0.0.1:1", "--comeback")
    assert refusal(capsys, *words) == (
        f"--comeback: {target} has no resume: how does a client come back?"
    )


def test_a_store_must_be_named_where_nothing_is_started(
    target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(capsys, "--target", target) == (
        f"--redis URL, or store: or start: in {target}, is needed: which store"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--faults", "producer_timeout"],
            "--faults producer_timeout: only for a target that makes its answers itself (ask)",
        ),
        (
            ["--faults", "rain"],
            "--faults rain: one of reply_lost, connection_cut, store_reconnect, stale_read, "
            "producer_timeout",
        ),
        (
            ["--read", "LRANGE"],
            "--read 'LRANGE': write COMMAND NAME, such as 'LRANGE chat:{session_id}:history'; "
            "* is any command that does it",
        ),
        (["--fail-on", "late"], "--fail-on late: one of loses, unknown"),
        (["--chunks", "4"], "--chunks 4: must be between 1 and 3"),
        (["--listen", "7000"], "--listen 7000: want HOST:PORT with a port from 1 to 65535"),
        (["--listen-key", "k.pem"], "--listen-key k.pem: needs --listen-cert"),
        (
            ["--write", "upwards"],
            "--write: unknown ordering 'upwards': one of publish_then_save, save_then_publish, "
            "atomic_multi, atomic_lua, stream_append, or path/to/file.py:name",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_named_with_what_it_may_be(
    words: list[str], line: str, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    redis = ["--redis", "redis://127.0.0.1:1/0"]
    assert refusal(capsys, "--target", target, *redis, *words) == line


def test_a_threshold_on_what_is_no_metric_names_those_that_are(
    target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, "--target", target, "--threshold", "luck==0")
    assert "'luck'" in line
    assert "lossy_schedules" in line


@pytest.mark.parametrize(
    ("content", "end"),
    [
        ("no", "no JSON: Expecting value: line 1 column 1 (char 0)"),
        (json.dumps({"schema": 1, "kind": "run"}), "kind 'run': must be steer"),
    ],
)
def test_a_schedule_that_is_none_is_named_with_what_is_wrong_in_it(
    content: str, end: str, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "schedule.json"
    file.write_text(content)
    redis = ["--redis", "redis://127.0.0.1:1/0"]
    assert refusal(capsys, "--target", target, *redis, "--schedule", file) == f"{file}: {end}"


def test_a_folder_that_has_something_in_it_is_not_written_over(
    target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    redis = ["--redis", "redis://127.0.0.1:1/0"]
    line = refusal(capsys, "--target", target, *redis, "--out", tmp_path)
    assert line.startswith(f"--out {tmp_path}: ")
