"""Recorded answers with their instants, for the producer to replay (docs/answers.md).

Two exports of load generators have many answers in a file; any other recording has one, or one for
each message that its frames name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from chunk7.delivery.errors import UsageError
from chunk7.instruments.recordings import sse
from chunk7.instruments.recordings.formats import Recording, file_bytes
from chunk7.instruments.recordings.reading import ReadRecording, read_pieces
from chunk7.instruments.recordings.recording import Frames, RecordedFrame
from chunk7.loadtest.targets.paths import Message


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """Chunks (text, ms after the request), their instants never decreasing."""

    chunks: tuple[tuple[str, float], ...]


# --- exports of load generators ------------------------------------------------------------


class _GenaiRequest(msgspec.Struct):
    timestamp: int
    response_timestamps: list[int]
    response_outputs: list[Any]


class _GenaiExperiment(msgspec.Struct):
    requests: list[_GenaiRequest]


class _GenaiPerf(msgspec.Struct):
    """`profile_export.json` of genai-perf: nanoseconds, and each response as it came."""

    experiments: list[_GenaiExperiment]


class _Vllm(msgspec.Struct):
    """A result of vLLM's serving benchmark with its details: seconds, and whole texts."""

    ttfts: list[float]
    itls: list[list[float]]
    generated_texts: list[str]


_NO_FILE = Path("genai-perf")

EXPORTS: dict[str, Any] = {"genai-perf": _GenaiPerf, "vllm": _Vllm}
"""By name, what such a file is decoded as."""


def exported_answers(path: Path) -> tuple[str, list[TimedAnswer]] | None:
    """(the export's name, its answers) if the file is one; requests without an answer left out.

    Raises UsageError, naming the file, for an export that has none.
    """
    data = file_bytes(path)
    if not data.lstrip().startswith(b"{"):
        return None
    for name, kind in EXPORTS.items():
        try:
            export = msgspec.json.decode(data, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        answers = list(_genai_perf(export) if isinstance(export, _GenaiPerf) else _vllm(export))
        if not answers:
            raise UsageError(f"{path} ({name}): no request has an answer that streamed")
        return name, answers
    return None


def _genai_perf(export: _GenaiPerf) -> Iterator[TimedAnswer]:
    for experiment in export.experiments:
        for request in experiment.requests:
            frames: list[RecordedFrame] = []
            for at_ns, output in zip(
                request.response_timestamps, request.response_outputs, strict=False
            ):
                frames += [RecordedFrame(one, at_ns) for one in _messages(output)]
            if frames:
                content = Frames(tuple(frames), request.timestamp)
                yield from recorded_answers(
                    read_pieces(Recording(_NO_FILE, "genai-perf", content), None), None
                )


def _messages(output: Any) -> list[Message]:
    """A response's events; a text by itself, in the object that other services answer with."""
    if isinstance(output, dict):
        output = output.get("response", output.get("text_output", ""))
    if not isinstance(output, str) or not output:
        return []
    events = [frame.message for frame in sse.events(output.encode())]
    return events or [Message(msgspec.json.encode({"text": output}).decode())]


def _vllm(export: _Vllm) -> Iterator[TimedAnswer]:
    """The instants were measured; where the text was cut is not in the file: evenly, then."""
    for ttft_s, gaps_s, text in zip(
        export.ttfts, export.itls, export.generated_texts, strict=False
    ):
        count = min(len(gaps_s) + 1, len(text))
        at_s, chunks = ttft_s, []
        for n in range(count):
            chunks.append((text[len(text) * n // count : len(text) * (n + 1) // count], at_s))
            at_s += gaps_s[n] if n < len(gaps_s) else 0
        if chunks:
            yield TimedAnswer(tuple((part, round(1_000 * at, 3)) for part, at in chunks))


# --- any other recording -------------------------------------------------------------------


def recorded_answers(read: ReadRecording, gap_ms: float | None) -> list[TimedAnswer]:
    """An answer for each message, in the order in which they begin; a chunk that says which it is
    counts once.

    The request counts as sent when the recording says so, else with its first frame. `gap_ms`:
    so long between two chunks, for a recording without instants. Raises UsageError, naming the
    file, when it has none and no gap is given, or when they go back.
    """
    by_message: dict[str | None, list[tuple[str, int | None]]] = {}
    known = set()
    for piece in read.pieces:
        name = piece.seen.message_id, piece.seen.index, piece.seen.seq
        if piece.seen.text and (name not in known or name[1:] == (None, None)):
            known.add(name)
            texts = by_message.setdefault(piece.seen.message_id, [])
            texts.append((piece.seen.text, piece.at_ns))
    content = read.recording.content
    asked_ns = content.frames[0].at_ns if content.asked_ns is None else content.asked_ns
    try:
        return [
            _timed(texts, gap_ms, asked_ns if len(by_message) == 1 else texts[0][1])
            for texts in by_message.values()
        ]
    except UsageError as error:
        raise UsageError(f"{read.recording.path}: {error}") from error


def _timed(
    texts: list[tuple[str, int | None]], gap_ms: float | None, asked_ns: int | None
) -> TimedAnswer:
    if gap_ms is not None:
        return TimedAnswer(tuple((text, n * gap_ms) for n, (text, _) in enumerate(texts)))
    instants = [at_ns for _, at_ns in texts if at_ns is not None]
    if asked_ns is None or len(instants) < len(texts):
        raise UsageError("has no instants: --gap-ms N puts its chunks so far apart")
    if any(later < earlier for earlier, later in pairwise([asked_ns, *instants])):
        raise UsageError("its instants go back: are they all of one clock?")
    at_ms = [round((at_ns - asked_ns) / 1e6, 3) for at_ns in instants]
    return TimedAnswer(tuple(zip((text for text, _ in texts), at_ms, strict=True)))
