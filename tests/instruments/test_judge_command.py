"""`chunk7 judge`: what it prints, its document, its exit codes."""

import json
from pathlib import Path

import pytest

from chunk7.analysis.study import open_study
from chunk7.cli import main

SAMPLES = Path(__file__).parent / "recordings"
STORE, CLIENT = SAMPLES / "xrange.json", SAMPLES / "websocket.har"


def judge(*options: str, expected: Path = STORE, received: Path = CLIENT) -> int:
    return main(["judge", "--expected", str(expected), "--received", str(received), *options])


def test_a_client_is_held_against_the_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge() == 0
    out = capsys.readouterr().out
    assert "websocket.har: har, 6 frames, read by chunk7" in out
    assert "5 of 6 chunks delivered, told apart by seq; 1 lost, 1 duplicate, 0 out of order" in out
    assert "lost: chunk 3, characters 7 to 14, ' between', seen at frame 4" in out
    assert "duplicate: chunk 2, characters 2 to 6, ' fell', seen at frame 3" in out


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [("lost", 99), ("duplicate,lost", 99), ("out_of_order", 0), ("unexpected", 0)],
)
def test_what_must_not_be_gates_by_the_exit_code(fail_on: str, code: int) -> None:
    assert judge("--fail-on", fail_on) == code


def test_losses_that_cannot_be_told_are_no_pass() -> None:
    """The client's recording stops before the last chunk, and nothing says that it was over."""
    short = SAMPLES / "event_stream.har"
    assert judge("--fail-on", "lost", received=short) == 98
    assert judge("--fail-on", "duplicate", received=short) == 0
    assert judge("--fail-on", "lost", "--whole", received=short) == 99


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge("--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert {name: document[name] for name in ("schema", "judged", "by", "chunks", "delivered")} == {
        "schema": 1, "judged": True, "by": "seq", "chunks": 6, "delivered": 5,
    }  # fmt: skip
    assert document["lost"] == [
        {
            "first": 3, "last": 3, "seq": 3, "message_id": "m1", "index": 2, "at_character": 7,
            "characters": 8, "text": " between", "frame": 4, "ambiguous": False,
        }
    ]  # fmt: skip


def test_an_adapter_reads_the_one_side_and_the_other_needs_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--data", "frame", "--time", "at", "--direction", "dir=in"]
    options += ["--target", str(SAMPLES / "proxy.yaml"), "--expected-target", "known"]
    code = judge(
        *options, expected=SAMPLES / "openai_chat.sse", received=SAMPLES / "proxy_log.jsonl"
    )
    assert code == 0
    assert "6 of 6 chunks delivered, told apart by text" in capsys.readouterr().out


def test_the_store_s_side_may_be_read_as_the_target_s_producer_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tmp_path / "proxy.yaml"
    rules = (SAMPLES / "proxy.yaml").read_text()
    produce = 'produce: {stream: "s:{session_id}", payload: {b: {t: "{text}"}, n: "{seq}", v: 1}}'
    adapter.write_text(f"{rules}{produce}\n")
    store = tmp_path / "store.json"
    words = ["It", " fell", " between", " two", " stools", ".", " And", " lay."]
    rows = [
        [f"{n}-0", ["data", json.dumps({"b": {"t": w}, "n": n})]] for n, w in enumerate(words, 1)
    ]
    store.write_text(json.dumps(rows))
    options = ["--direction", "dir=in", "--target", str(adapter), "--expected-target", "payload"]
    client = tmp_path / "client.jsonl"
    client.write_text(
        "\n".join(
            json.dumps({"dir": "in", "kind": "delta", "n": n, "body": {"t": words[n - 1]}})
            for n in (1, 2, 4, 5, 6, 7, 8)
        )
    )
    assert judge(*options, "--fail-on", "lost", expected=store, received=client) == 99
    assert "7 of 8 chunks delivered, told apart by seq; 1 lost" in capsys.readouterr().out


def test_a_payload_that_nobody_describes_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge("--expected-target", "payload") == 2
    assert "--target FILE is needed" in capsys.readouterr().err
    assert judge("--expected-target", "payload", "--target", str(SAMPLES / "proxy.yaml")) == 2
    assert "proxy.yaml: produce.payload: want a structure" in capsys.readouterr().err


def test_a_run_folder_of_it_can_be_judged_and_reported_as_any_other(tmp_path: Path) -> None:
    assert judge("--out", str(tmp_path / "run")) == 0
    study = open_study(tmp_path / "run")
    (result,) = study.summary.results
    assert study.summary.valid
    assert (result.chunks_expected, result.chunks_lost, result.chunks_duplicate) == (6, 1, 1)
    assert study.losses["index"].to_list() == [2]


def test_a_run_folder_needs_instants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = judge("--out", str(tmp_path / "run"), received=SAMPLES / "openai_chat.sse")
    assert code == 2
    assert "openai_chat.sse has no instants" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_other_answers_cannot_be_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "Something else."}')
    assert judge("--fail-on", "lost", received=other) == 98
    assert "not judged: not one chunk of the expected" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--fail-on", "late"], "--fail-on late: one of lost, duplicate, out_of_order, unexpected"),
        (["--format", "csv"], "--format csv: one of har, xrange, sse, jsonl"),
        (["--target", "nothing.yaml"], "nothing.yaml: No such file or directory"),
        (["--after", "-1"], "--after"),
        (["--session", "s9"], "--session s9"),
    ],
)
def test_bad_input_is_one_line(
    options: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(*options) == 2
    error = capsys.readouterr().err
    assert line in error
    assert "Traceback" not in error
