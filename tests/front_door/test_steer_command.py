"""What `chunk7 steer` says of options and files that it cannot use: one line, exit code 2."""

import json
from pathlib import Path
from typing import Any

import pytest
from store_kit import certificate

from chunk7.cli import main

TARGET = """
name: relay
url: ws://127.0.0.1:1/ws/{session_id}
frames: [{is: chunk, index: index}]
produce: {write: [atomic_lua]}
"""


SCHEDULE: dict[str, Any] = {
    "schema": 1,
    "kind": "steer",
    "target": "relay",
    "rules": [],
    "chunks": 1,
    "joiners": 1,
    "leaver": False,
    "comeback": False,
    "write": None,
    "steps": [{"actor": "join1", "event": "read", "chunk": None}],
    "found": {},
}


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
            "--faults rain: one of reply_lost, connection_cut, store_kill_pubsub, stale_read, "
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
        (["--listen-cert", "c.pem"], "--listen-cert c.pem: no such file"),
        (
            ["--read", "LRANGE {session_id}:{session_id}"],
            "--read 'LRANGE {session_id}:{session_id}': {session_id} at most once",
        ),
        (
            ["--publish", "PUBLISH *"],
            "--publish 'PUBLISH *': a name needs more than {session_id} and *",
        ),
        (["--tries", "few"], "--tries few: want a whole number"),
        (["--hold-ms", "1"], "--hold-ms 1: must be between 10 and 60000"),
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
        ("[]", "want a JSON object"),
        (json.dumps({"schema": 1, "kind": "run"}), "kind 'run': must be steer"),
        (
            json.dumps({**SCHEDULE, "rules": ["LRANGE h"]}),
            "rule 'LRANGE h': want one of --read, --subscribe, --follow, --leave, --publish, "
            "--save, --append and a rule in quotes",
        ),
        (
            json.dumps({**SCHEDULE, "steps": [{"actor": "join1", "event": "jump"}]}),
            "step 1: event 'jump': of join1, read, subscribe, follow, answer",
        ),
        (
            # Was said of --write, which nobody had written.
            json.dumps({**SCHEDULE, "write": "upwards"}),
            "write 'upwards': one of publish_then_save, save_then_publish, atomic_multi, "
            "atomic_lua, stream_append, unless --write path/to/file.py:name says where it is",
        ),
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


def test_what_is_no_certificate_is_said_in_words_and_not_by_a_line_of_openssl(
    target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole line was `[SSL] PEM lib (_ssl.c:3905)`, and of the key's file, too."""
    files = certificate(tmp_path)
    common = ["--target", target, "--redis", "redis://127.0.0.1:1/0", "--listen-cert"]
    expected = "no certificate with its private key, both PEM and the key without a password"
    assert refusal(capsys, *common, target).startswith(f"--listen-cert {target}: {expected}")
    assert expected in refusal(capsys, *common, files[0])  # its key is in another file
    line = refusal(capsys, *common, files[0], "--listen-key", tmp_path / "k.pem")
    assert line == f"--listen-key {tmp_path / 'k.pem'}: no such file"


@pytest.mark.parametrize(
    "words", [["--chunks", "2"], ["--joiners", "2"], ["--leaver"], ["--faults", "stale_read"]]
)
def test_what_a_schedule_says_itself_is_not_taken_from_options(
    words: list[str], target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They had no effect, and nobody said so."""
    file = tmp_path / "schedule.json"
    file.write_text(json.dumps(SCHEDULE))
    given = ["--target", target, "--redis", "redis://127.0.0.1:1/0", "--schedule", file]
    line = refusal(capsys, *given, *words)
    assert line == f"{words[0]}: not with --schedule, whose file says it"


def test_ordinary_joins_that_cannot_be_made_are_not_passed_over(
    target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without start nothing was measured, and a threshold on it was merely unknown."""
    redis = ["--redis", "redis://127.0.0.1:1/0"]
    assert refusal(capsys, "--target", target, *redis, "--natural", 5) == (
        f"--natural 5: only with start: in {target}, for it is done without the proxy"
    )
