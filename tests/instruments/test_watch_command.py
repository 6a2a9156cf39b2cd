"""`chunk7 watch` on saved logs: what it prints, its codes, and what it refuses."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from monitor_kit import EPOCH_S, history

from chunk7.analysis.study import open_study
from chunk7.cli import main

LOST = """
    1.0  ai1   PUBLISH {channel} zero
    1.4  ai1   RPUSH {history} zero
    10.0 node1 LRANGE {history} 0 -1
    11.0 ai1   PUBLISH {channel} one
    11.5 ai1   RPUSH {history} one
    12.0 node2 SUBSCRIBE {channel}
"""
OURS = {"history": "chat:history:s1", "channel": "chat:stream:s1"}
THEIRS = {"history": "app:conversation:42:log", "channel": "live/42"}
LUCKY = """
    10.0 node1 LRANGE chat:history:s2 0 -1
    12.0 node2 SUBSCRIBE chat:stream:s2
"""
QUIET = "1.0 ai1 INCR counter"


def saved(folder: Path, text: str, name: str = "monitor.log") -> Path:
    path = folder / name
    data = b"OK\n" + b"\n".join(history(text)) + b"\n"
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    return path


def watch(*words: object) -> int:
    return main(["watch", *map(str, words)])


def test_the_document_has_the_join_and_what_it_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch("--from", saved(tmp_path, LOST.format(**OURS)), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    at_us = EPOCH_S * 1_000_000
    nothing = {"message_id": None, "index": None, "seq": None}
    two = {"published_at_us": at_us + 11_000, "saved_at_us": at_us + 11_500, "lag_us": 500}
    assert document["schema"] == 1
    assert document["joins"] == [
        {
            "session": "s1", "read_at_us": at_us + 10_000, "subscribed_at_us": at_us + 12_000,
            "window_us": 2_000, "lag_us": 450.0, "gap_us": 2_450.0,
            "chunks_lost": [{"position": 2, **nothing, **two, "gap_us": 2_500}],
            "raced": True, "ambiguous": False, "verdict": "lost", "because": None,
            "read_line": 3, "subscribed_line": 6, "db": 0,
            "reader": "10.0.0.1:5001", "subscriber": "10.0.0.1:5002",
        }
    ]  # fmt: skip
    lines = {"published_line": 4, "saved_line": 5}
    assert document["chunks"][1] == {"session": "s1", "position": 2, **nothing, **two, **lines}
    summary = document["summary"]
    assert (summary["joins"], summary["lost"], summary["chunks_lost"]) == (1, 1, 1)
    assert (summary["lines"], summary["unreadable"], summary["sessions"]) == (6, 1, 1)


def test_the_table_and_the_sentences_fit_a_narrow_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = {name: f"{key}-of-a-rather-long-name" for name, key in OURS.items()}
    assert watch("--from", saved(tmp_path, LOST.format(**long) + LUCKY)) == 0
    said = capsys.readouterr().out
    table, _, rest = said.partition("\n\n")
    assert max(map(len, table.splitlines())) <= 80
    assert "LOST: 1 join lost 1 chunk." in rest
    assert "LUCKY: 1 join lost nothing, but only because no chunk came" in rest


@pytest.mark.parametrize(
    ("text", "fail_on", "code"),
    [
        (LOST.format(**OURS), "lost", 99),
        (LOST.format(**OURS), "raced", 99),
        (LOST.format(**OURS), "unknown", 0),
        (LUCKY, "lost", 0),
        (LUCKY, "raced,lost", 99),
        ("10 node1 LRANGE chat:history:s 0 -1", "raced,lost", 0),
        ("10 node1 LRANGE chat:history:s 0 -1", "unknown", 99),
        (QUIET, "lost", 98),  # no join: nothing is known
    ],
)
def test_the_code_says_whether_what_must_not_be_was_seen(
    tmp_path: Path, text: str, fail_on: str, code: int
) -> None:
    assert watch("--from", saved(tmp_path, text), "--fail-on", fail_on, "--json") == code


def test_a_compressed_log_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = []
    for name in ("monitor.log", "monitor.log.gz"):
        assert watch("--from", saved(tmp_path, LOST.format(**OURS), name), "--json") == 0
        documents.append(capsys.readouterr().out)
    assert documents[0] == documents[1]


def test_names_of_somebody_elses_are_guessed_and_offered_as_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path, LOST.format(**THEIRS))
    assert watch("--from", path) == 2
    said = capsys.readouterr().err
    options = "--history 'app:conversation:{session_id}:log' --channel 'live/{session_id}'"
    assert said.endswith(f"chunk7 watch --from {path} {options}\n")
    words = [word.strip("'") for word in options.split()]
    assert watch("--from", path, *words, "--fail-on", "lost", "--json") == 99


def test_streams_are_guessed_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(
        f"{n} ai1 XADD tokens-{n}x * f v\n{n} node1 XREAD BLOCK 9 STREAMS tokens:{n} $\n"
        f"{n} ai1 XADD tokens:{n} * f v\n"
        for n in (1, 2, 3)
    )
    assert watch("--from", saved(tmp_path, text)) == 2
    assert "--stream 'tokens:{session_id}'\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ((), 2, "--redis URL or --from FILE is needed"),
        (("--from", "nowhere.log"), 2, "--from nowhere.log: No such file or directory"),
        (("--from", "."), 2, "--from .: Is a directory"),
        (("--redis", "http://secret@x"), 2, "--redis: want redis://"),
        (("--redis", "redis://:secret/word@x:1/0"), 2, "--redis: the port is no number"),
        (("--redis", "redis://:secret@127.0.0.1:1"), 1, "no store at 127.0.0.1:1"),
        (("--from", "x", "--fail-on", "loss"), 2, "--fail-on loss: one of raced, lost, unknown"),
        (("--from", "x", "--stream", "x"), 2, "--stream x: must have {session_id} in it, once"),
        (("--from", "x", "--sample", "0"), 2, "--sample 0: must be between 0.001 and 1"),
    ],
)
def test_bad_input_is_one_line_without_a_password(
    words: Sequence[str], code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(*words) == code
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(f"chunk7 watch: error: {reason}")
    assert "secret" not in last


def test_what_is_no_log_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, damaged = tmp_path / "notes.txt", tmp_path / "cut.gz"
    text.write_text("one\ntwo\n")
    damaged.write_bytes(gzip.compress(b"x" * 1_000)[:-9])
    assert watch("--from", text) == 2
    assert "not one line is of MONITOR's form" in capsys.readouterr().err
    assert watch("--from", damaged) == 1
    assert "cut.gz: damaged" in capsys.readouterr().err


def test_the_folder_has_the_tables_of_a_run_and_null_for_what_nobody_saw(tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = saved(tmp_path, LOST.format(**OURS) + "200 node1 LRANGE chat:history:s1 0 -1")
    assert watch("--from", path, "--out", out, "--json") == 0
    joins, published = (pd.read_parquet(out / f"{n}.parquet") for n in ("joins", "published"))
    at_ns = EPOCH_S * 1_000_000_000
    assert list(joins["read_sent_ns"] - at_ns) == [10_000_000, 200_000_000]
    assert joins["subscribe_done_ns"].iloc[0] - at_ns == 12_000_000
    assert joins["subscribe_done_ns"].isna().tolist() == [False, True]
    assert joins["error"].isna().tolist() == [True, False]
    assert list(published["save_done_ns"] - published["publish_done_ns"]) == [400_000, 500_000]
    assert pd.read_parquet(out / "connections.parquet").empty
    assert json.loads((out / "watch.json").read_text())["summary"]["joins"] == 2


def test_a_report_on_its_folder_says_that_it_is_no_valid_run(tmp_path: Path) -> None:
    """It ended in a traceback: what was said in the chunks is not known to who only watches."""
    out = tmp_path / "out"
    assert watch("--from", saved(tmp_path, LOST.format(**OURS)), "--out", out) == 0
    assert open_study(out).summary.invalid_because[:2] == [
        "nothing was published for watched x watched",
        "nobody connected for watched x watched",
    ]


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path, LUCKY)
    assert watch("--from", path, "--out", tmp_path) == 2
    assert "exists and is not empty" in capsys.readouterr().err
