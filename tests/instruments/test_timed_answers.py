"""`chunk7 import`: recordings and timed exports become answers that the producer replays."""

import json
from pathlib import Path

import pytest

from chunk7.cli import main
from chunk7.producer.answers import Answer, read_answers

SAMPLES = Path(__file__).parent / "recordings"
WORDS = ("It", " fell", " between", " two", " stools", ".")


def imported(tmp_path: Path, sample: Path, *options: str) -> tuple[Answer, ...]:
    assert main(["import", str(sample), "--out", str(tmp_path / "answers"), *options]) == 0
    return read_answers(tmp_path / "answers")


def test_genai_perf_s_export_has_the_instant_of_every_response(tmp_path: Path) -> None:
    (answer,) = imported(tmp_path, SAMPLES / "genai_perf.json")
    assert answer.texts == WORDS
    assert answer.at_ms.tolist() == [225, 250, 275, 300, 325, 350]


def test_responses_that_are_no_events_are_texts(tmp_path: Path) -> None:
    request = {
        "timestamp": 1_000_000,
        "response_timestamps": [3_000_000, 5_000_000],
        "response_outputs": [{"text_output": "I"}, {"text_output": " like"}],
    }
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"experiments": [{"requests": [request]}]}))
    (answer,) = imported(tmp_path, path)
    assert (answer.texts, answer.at_ms.tolist()) == (("I", " like"), [2, 4])


def test_vllm_s_benchmark_has_gaps_and_a_whole_text(tmp_path: Path) -> None:
    """Requests that failed are none; the text is cut evenly, as nobody wrote down where."""
    (answer,) = imported(tmp_path, SAMPLES / "vllm.json")
    assert "".join(answer.texts) == "".join(WORDS)
    assert len(answer.texts) == 6
    assert answer.at_ms.tolist() == [212.5, 232.5, 262.5, 282.5, 302.5, 312.5]


def test_a_stamped_stream_begins_with_its_first_event(tmp_path: Path) -> None:
    (answer,) = imported(tmp_path, SAMPLES / "openai_responses.stamped.sse")
    assert (answer.texts, answer.at_ms.tolist()[:2]) == (WORDS, [125, 250])


def test_har_knows_when_it_was_asked_and_a_chunk_counts_once(tmp_path: Path) -> None:
    (answer,) = imported(tmp_path, SAMPLES / "websocket.har")
    assert answer.texts == (*WORDS[:2], *WORDS[3:])
    assert answer.at_ms.tolist()[0] == 100


def test_a_provider_s_chunk_file_without_instants_needs_a_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = SAMPLES / "anthropic.jsonl"
    assert main(["import", str(sample), "--out", str(tmp_path / "none")]) == 2
    assert "anthropic.jsonl: has no instants: --gap-ms N" in capsys.readouterr().err
    (answer,) = imported(tmp_path, sample, "--gap-ms", "20")
    assert (answer.texts, answer.at_ms.tolist()) == (WORDS, [0, 20, 40, 60, 80, 100])


def test_every_message_of_a_recording_is_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    rows = [
        {"at_ms": 100 * n, "message_id": f"m{n // 3}", "index": n % 3, "text": f"{n}"}
        for n in range(6)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    answers = imported(tmp_path, path, "--time", "at_ms")
    assert [answer.texts for answer in answers] == [("0", "1", "2"), ("3", "4", "5")]
    assert [answer.at_ms.tolist() for answer in answers] == [[0, 100, 200]] * 2


def test_instants_that_go_back_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "back.jsonl"
    path.write_text('{"t": 2, "text": "a"}\n{"t": 1, "text": "b"}\n')
    assert main(["import", str(path), "--out", str(tmp_path / "o"), "--time", "t"]) == 2
    assert "back.jsonl: its instants go back" in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(SAMPLES / "vllm.json"), "--out", str(SAMPLES)]) == 2
    assert "exists and is not empty" in capsys.readouterr().err


def test_json_says_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(tmp_path, SAMPLES / "vllm.json", "--json")
    document = json.loads(capsys.readouterr().out)
    assert (document["from"], document["answers"], document["chunks"]) == ("vllm", 1, 6)


@pytest.mark.parametrize(
    "export",
    [
        {"experiments": [{"requests": []}]},
        {"ttfts": [0.0], "itls": [[]], "generated_texts": [""]},
    ],
)
def test_an_export_without_an_answer_is_one_line(
    tmp_path: Path, export: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(export))
    assert main(["import", str(path), "--out", str(tmp_path / "o")]) == 2
    assert "no request has an answer" in capsys.readouterr().err
