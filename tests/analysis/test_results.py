"""From a run folder to the document, and from the document to a sentence."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from story import CELL, Story, ns

from chunk7.analysis.conclusion import conclusion
from chunk7.analysis.manifest import Manifest, Traits, read_manifest, write_manifest
from chunk7.analysis.results import Result, Summary, read_summary
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.study import analyse
from chunk7.delivery.errors import RecordError
from chunk7.delivery.verdicts import Cause
from chunk7.wire.account import Quantiles
from chunk7.wire.plan import Cell
from chunk7.wire.tables import Via

FIXED = Cell("subscribe_then_history", "atomic_lua")


def bug_and_fix(folder: Path) -> Path:
    """Ten chunks, 10 ms apart. The bug's client loses the fourth; the fix's gets it twice."""
    story = Story(folder, cells=[CELL, FIXED])
    for cell, session in ((0, "bug"), (1, "fix")):
        for seq in range(1, 11):
            story.chunk(seq, 10 * seq, cell=cell, session_id=session)
    live = [(36, seq, Via.HISTORY) for seq in (1, 2, 3)]
    live += [(10 * seq + 2, seq, Via.LIVE) for seq in range(4, 11)]
    story.connection(1, live[:3] + live[4:], session_id="bug", open_ms=30)
    story.join(1, (35, 35), (45, 45), session_id="bug", accepted_ns=ns(31))
    story.connection(
        2, [*live[:4], (43, 4, Via.HISTORY), *live[4:]], cell=1, session_id="fix", open_ms=30
    )
    story.join(2, (45, 45), (35, 35), session_id="fix", connect=FIXED.connect, accepted_ns=ns(31))
    story.healthy("producer", "node", "locust")
    story.of("producer").add(
        "events", kind="memory", at_ns=ns(9_000), detail='{"cell": 1, "bytes": 1000, "chunks": 10}'
    )
    return story.end()


def test_a_run_comes_to_exactly_this_document(tmp_path: Path) -> None:
    summary = analyse(bug_and_fix(tmp_path / "run")).summary
    # Joins at u from 30 to 130 ms handle over from u + 5 to u + 15, so chunk i counts for u from
    # 10 i - 15 to 10 i - 5: chunk 4 for its last 5 ms, 5..10 for all 10, together 65 of 100 ms.
    share = pytest.approx(0.65)
    spread = 1.959963984540054 * (0.65 * 0.35) ** 0.5
    assert summary == Summary(
        valid=True,
        invalid_because=[],
        seed=7,
        run_dir=str(tmp_path / "run"),
        results=[
            result(
                connect="history_then_subscribe", write="publish_then_save",
                lossy_connections=1, loss_rate=1.0, loss_rate_low=pytest.approx(0.2065493),
                loss_rate_high=1.0,
                chunks_delivered=9, chunks_lost=1, causes={"handover_gap": 1},
                chunks_lost_predicted=share,
                chunks_lost_predicted_high=pytest.approx(0.65 + spread),
                window_ms=Quantiles(10.0, 10.0, 10.0), gap_ms=Quantiles(10.0, 10.0, 10.0),
            ),
            result(
                connect="subscribe_then_history", write="atomic_lua",
                loss_rate_high=pytest.approx(0.7934506856227626),
                chunks_duplicate=1, memory_bytes_per_chunk=100.0,
                chunks_duplicate_predicted=share,
                chunks_duplicate_predicted_high=pytest.approx(0.65 + spread),
                window_ms=Quantiles(-10.0, -10.0, -10.0), gap_ms=Quantiles(-10.0, -10.0, -10.0),
            ),
        ],
    )  # fmt: skip


def result(**given: Any) -> Result:
    """One connection that received ten of ten chunks."""
    values: dict[str, Any] = {
        "connect": "a", "write": "b", "connections": 1, "lossy_connections": 0, "loss_rate": 0.0,
        "loss_rate_low": 0.0, "loss_rate_high": 0.8, "chunks_expected": 10, "chunks_delivered": 10,
        "chunks_lost": 0, "chunks_undetermined": 0, "chunks_duplicate": 0,
        "chunks_out_of_order": 0, "chunks_unexpected": 0, "chunks_fetched": 0, "rewinds": 0,
        "causes": {},
        "window_ms": Quantiles(), "gap_ms": Quantiles(), "join_ms": Quantiles(2.0, 2.0, 2.0),
        "chunk_latency_ms": Quantiles(2.0, 2.0, 2.0), "memory_bytes_per_chunk": None,
    }  # fmt: skip
    for what in ("lost", "duplicate", "fetched"):
        values |= {f"chunks_{what}_predicted{end}": 0.0 for end in ("", "_low", "_high")}
    return Result(**(values | given))


def test_the_document_has_the_stable_fields(tmp_path: Path) -> None:
    analyse(bug_and_fix(tmp_path / "run"))
    document = msgspec.json.decode((tmp_path / "run" / "summary.json").read_bytes())
    assert list(document) == [
        "schema", "valid", "invalid_because", "seed", "run_dir", "results", "told_apart_by",
        "excused", "faults",
    ]  # fmt: skip
    assert document["told_apart_by"] == {}, "our own nodes' frames say what they are"
    assert document["results"][0].keys() >= {
        "connect", "write", "connections", "lossy_connections", "loss_rate", "loss_rate_low",
        "loss_rate_high", "chunks_expected", "chunks_delivered", "chunks_lost",
        "chunks_undetermined", "chunks_duplicate", "chunks_out_of_order", "chunks_unexpected",
        "chunks_lost_predicted", "causes", "window_ms", "gap_ms", "join_ms", "chunk_latency_ms",
    }  # fmt: skip
    assert document["results"][0]["window_ms"] == {"p50": 10.0, "p95": 10.0, "p99": 10.0}


def test_the_summary_reads_back_and_judging_again_gives_the_same(tmp_path: Path) -> None:
    folder = bug_and_fix(tmp_path / "run")
    summary = analyse(folder).summary
    assert read_summary(folder) == summary
    (folder / "raw").rename(tmp_path / "raw")
    assert analyse(folder).summary == summary


def test_what_the_caller_knows_against_a_run_makes_it_invalid(tmp_path: Path) -> None:
    summary = analyse(bug_and_fix(tmp_path / "run"), ["nginx died"]).summary
    assert (summary.valid, summary.invalid_because) == (False, ["nginx died"])


def test_a_gap_filler_is_predicted_to_fetch_its_holes_and_lose_none(tmp_path: Path) -> None:
    folder = bug_and_fix(tmp_path / "run")
    retrait(folder, CELL.connect, Traits(fills_gaps=True))
    first = analyse(folder).summary.results[0]
    assert first.chunks_lost_predicted == first.chunks_lost_predicted_high == 0
    assert first.chunks_fetched_predicted == pytest.approx(0.65)


def test_a_node_that_recovers_is_predicted_to_lose_none_and_its_client_to_fetch_none(
    tmp_path: Path,
) -> None:
    folder = bug_and_fix(tmp_path / "run")
    retrait(folder, CELL.connect, Traits(recovers=True))
    first = analyse(folder).summary.results[0]
    assert first.chunks_lost_predicted == first.chunks_lost_predicted_high == 0
    assert first.chunks_fetched_predicted == 0


def test_a_merging_node_is_predicted_to_double_nothing(tmp_path: Path) -> None:
    folder = bug_and_fix(tmp_path / "run")
    retrait(folder, FIXED.connect, Traits(merges=True))
    second = analyse(folder).summary.results[1]
    assert second.chunks_duplicate_predicted == second.chunks_duplicate_predicted_high == 0


def retrait(folder: Path, connect: str, traits: Traits) -> None:
    manifest = read_manifest(folder)
    write_manifest(
        folder,
        Manifest(plan=manifest.plan, traits=manifest.traits | {connect: traits}),
    )


def test_a_manifest_must_have_the_traits_of_every_ordering(tmp_path: Path) -> None:
    folder = bug_and_fix(tmp_path / "run")
    manifest = read_manifest(folder)
    write_manifest(folder, Manifest(plan=manifest.plan, traits={}))
    with pytest.raises(RecordError, match="no traits for history_then_subscribe, subscribe_then"):
        load_run(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "not a manifest"), (b"{}", "not a manifest"), (None, "manifest schema 9, not 1")],
)
def test_a_foreign_manifest_is_named(content: bytes | None, message: str, tmp_path: Path) -> None:
    folder = bug_and_fix(tmp_path / "run")
    path = folder / "manifest.json"
    path.write_bytes(content or path.read_bytes().replace(b'"schema": 1', b'"schema": 9'))
    with pytest.raises(RecordError, match=message):
        read_manifest(folder)


def test_uncertain_instants_widen_the_prediction_but_do_not_move_it(tmp_path: Path) -> None:
    def predicted(name: str, spread_ms: float) -> tuple[float, float, float]:
        story = Story(tmp_path / name)
        for seq in range(1, 11):
            story.chunk(seq, 10 * seq)
        story.connection(1, open_ms=30)
        story.join(
            1,
            (37 - spread_ms, 37 + spread_ms),
            (43 - spread_ms, 43 + spread_ms),
            accepted_ns=ns(31),
        )
        (first,) = analyse(story.end()).summary.results
        return (
            first.chunks_lost_predicted,
            first.chunks_lost_predicted_low,
            first.chunks_lost_predicted_high,
        )

    exact, vague = predicted("exact", 0), predicted("vague", 2)
    assert vague[0] == pytest.approx(exact[0])
    assert vague[1] <= exact[1]
    assert vague[2] > exact[2]


def test_many_joins_lose_what_the_law_predicts(tmp_path: Path) -> None:
    """A thousand joins that behave as the law says stay inside its 95% interval.

    The seed is fixed; over seeds the interval would be missed about once in twenty.
    """
    random = np.random.default_rng(3)
    story = Story(tmp_path / "run")
    at_ms = np.cumsum(random.exponential(20, 100))
    for seq, at in enumerate(at_ms, 1):
        story.chunk(seq, at, at + 5)
    for number in range(1_000):
        join = random.uniform(0, 1_500)
        read, subscribe = join + 3, join + 15
        got = [(at + 6, seq) for seq, at in enumerate(at_ms, 1) if at + 5 < read or at > subscribe]
        story.connection(
            number, got, open_ms=join, join_earliest_ns=ns(0), join_latest_ns=ns(1_500)
        )
        story.join(number, (read, read), (subscribe, subscribe), accepted_ns=ns(join))
    (first,) = analyse(story.end()).summary.results
    assert first.chunks_lost > 500
    assert first.chunks_lost_predicted_low < first.chunks_lost < first.chunks_lost_predicted_high
    width = first.chunks_lost_predicted_high - first.chunks_lost_predicted_low
    assert width < 0.25 * first.chunks_lost
    assert first.gap_ms.p50 == pytest.approx(17.0)
    assert sum(first.causes.values()) == first.chunks_lost
    assert first.causes.keys() == {Cause.HANDOVER_GAP, Cause.SAVE_LAG}


@pytest.mark.parametrize(
    "other", [{"cell": 5}, {"cell": -1}, {"write": "atomic_lua"}], ids=lambda other: str(other)
)
def test_records_of_another_run_are_contradictory(other: dict[str, Any], tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.of("producer").add("published", **({"cell": 0, "write": CELL.write, "seq": 1} | other))
    with pytest.raises(RecordError, match="contradictory records: cell"):
        analyse(story.end())


def test_a_memory_event_that_is_none_is_said(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.of("producer").add("events", kind="memory", detail="much")
    with pytest.raises(RecordError, match="a memory event cannot be read"):
        analyse(story.end())


def test_a_cell_nobody_joined_has_nulls_and_zeros(tmp_path: Path) -> None:
    (first,) = analyse(Story(tmp_path / "run").end()).summary.results
    assert (first.connections, first.loss_rate, first.loss_rate_high) == (0, None, None)
    assert first.window_ms == first.join_ms == first.chunk_latency_ms == Quantiles()


SENTENCES = [
    (
        {"connections": 200, "lossy_connections": 23, "chunks_lost": 31, "loss_rate_low": 0.0779,
         "loss_rate_high": 0.1664, "causes": {"handover_gap": 30, "tail": 1}},
        "a x b loses: 23 of 200 connections lost 31 chunks (handover_gap 30, tail 1), "
        "7.8% to 17% of all.",
    ),
    (
        {"connections": 200, "loss_rate_high": 0.0188, "chunks_duplicate": 512},
        "a x b keeps all: 0 of 200 connections lost a chunk (at most 1.9%), at the price of "
        "512 duplicates.",
    ),
    (
        {"connections": 200, "loss_rate_high": 0.0188},
        "a x b keeps all: 0 of 200 connections lost a chunk (at most 1.9%), at no price.",
    ),
    (
        {"connections": 200, "loss_rate_high": 0.0188, "chunks_duplicate": 1,
         "chunks_out_of_order": 3, "rewinds": 2, "chunks_fetched": 4, "chunks_undetermined": 5,
         "chunks_expected": 100, "chunks_unexpected": 6},
        "a x b keeps all: 0 of 200 connections lost a chunk (at most 1.9%), at the price of "
        "1 duplicate, 3 out of order, 2 rewinds, 4 fetched later; 6 receipts were of no chunk "
        "that was published; 5 of 100 chunks are undetermined.",
    ),
    (
        {"connections": 16, "chunks_undetermined": 6},
        "a x b cannot be judged: no loss was seen in 16 connections; 6 of 10 chunks are "
        "undetermined.",
    ),
    (
        {"connections": 0, "loss_rate": None},
        "a x b cannot be judged: nobody was there to receive a chunk.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("numbers", "sentence"), SENTENCES)
def test_a_result_is_one_sentence(numbers: dict[str, Any], sentence: str) -> None:
    assert conclusion(result(**numbers)) == sentence
