"""The checker is checked: what is planted in the records comes back exactly."""

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from story import Story, content, ns

from chunk7.analysis import verdicts
from chunk7.analysis.gather import gather
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.verdicts import Chunks, Listeners, judge
from chunk7.delivery.verdicts import Verdict
from chunk7.wire.tables import Via

COUNTED = (
    "expected", "delivered", "lost", "undetermined", "duplicate", "out_of_order", "rewinds",
    "unexpected",
)  # fmt: skip


def accounts(folder: Path) -> dict[int, dict[str, int]]:
    """By connection_id, without the zeros."""
    gather(folder)
    run = load_run(folder)
    table = judge(run).accounts
    table.index = run.connections["connection_id"]
    return {
        int(connection): {name: int(row[name]) for name in (*COUNTED, "unrecorded") if row[name]}
        for connection, row in table.iterrows()
    }


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Three chunks, at 10, 20 and 30 ms."""
    story = Story(tmp_path / "run")
    for seq in (1, 2, 3):
        story.chunk(seq, seq * 10)
    return story


ALL = [(11, 1), (21, 2), (31, 3)]


def test_what_comes_once_and_in_order_is_delivered(story: Story) -> None:
    story.connection(1, ALL)
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3}}


def test_what_never_comes_while_the_client_listens_is_lost(story: Story) -> None:
    story.connection(1, [(11, 1), (31, 3)])
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 2, "lost": 1}}


def test_what_comes_again_is_a_duplicate_each_time(story: Story) -> None:
    story.connection(1, [(11, 1), (12, 1), (21, 2), (31, 3)])
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3, "duplicate": 1}}


def test_what_comes_after_a_higher_number_is_out_of_order(story: Story) -> None:
    story.connection(1, [(21, 2), (22, 1), (31, 3)])
    assert accounts(story.end()) == {
        1: {"expected": 3, "delivered": 3, "out_of_order": 1, "rewinds": 1}
    }


def test_a_text_that_jumps_back_is_a_rewind_although_every_first_receipt_is_in_order(
    story: Story,
) -> None:
    """1 2 3 1 2 3 4: the reader sees the answer begin again, and only the duplicates told."""
    story.chunk(4, 40)
    story.connection(1, [*ALL, (35, 1), (36, 2), (37, 3), (41, 4)])
    assert accounts(story.end()) == {
        1: {"expected": 4, "delivered": 4, "duplicate": 3, "rewinds": 1}
    }


def test_each_jump_back_is_one_rewind_and_a_chunk_twice_in_a_row_is_none(story: Story) -> None:
    story.connection(1, [(11, 1), (12, 3), (21, 2), (22, 1), (31, 1), (32, 3)])
    story.connection(2, [(11, 1), (12, 1), (21, 2), (31, 3)])
    story.connection(3, [(31, 3)])
    story.connection(4, ALL)  # begins lower than another one's last, which is nobody's jump
    found = {number: one.get("rewinds", 0) for number, one in accounts(story.end()).items()}
    assert found == {1: 2, 2: 0, 3: 0, 4: 0}


def test_what_was_never_published_is_no_place_to_jump_back_from(story: Story) -> None:
    story.connection(1, [(11, 1), (12, 9), (21, 2), (31, 3)])
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3, "unexpected": 1}}


def test_a_late_duplicate_is_no_disorder_but_a_rewind(story: Story) -> None:
    story.connection(1, [*ALL, (40, 1)])
    assert accounts(story.end()) == {
        1: {"expected": 3, "delivered": 3, "duplicate": 1, "rewinds": 1}
    }


def test_disorder_in_one_connection_says_nothing_about_the_next(story: Story) -> None:
    story.connection(1, [(11, 3)])
    story.connection(2, ALL)
    assert accounts(story.end())[2] == {"expected": 3, "delivered": 3}


def test_altered_content_is_unexpected_and_does_not_deliver(story: Story) -> None:
    story.connection(1, [(11, 1), (21, 2, Via.LIVE, 99), (31, 3)])
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 2, "lost": 1, "unexpected": 1}}


def test_altered_and_then_right_is_both_unexpected_and_delivered(story: Story) -> None:
    story.connection(1, [(11, 1), (21, 2, Via.LIVE, 99), (22, 2), (31, 3)])
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3, "unexpected": 1}}


@pytest.mark.parametrize("seq", [4, 0, 2_000_000_000])
def test_a_number_that_was_never_published_is_unexpected(story: Story, seq: int) -> None:
    story.connection(1, [*ALL, (41, seq)])
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3, "unexpected": 1}}


def test_another_sessions_chunk_is_unexpected(story: Story) -> None:
    story.chunk(1, 10, session_id="other")
    story.connection(1, [*ALL, (12, 1, Via.LIVE, content(1, "other"))])
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3, "unexpected": 1}}


def test_what_was_published_after_the_client_left_is_not_expected(story: Story) -> None:
    story.chunk(4, 6_000)
    story.connection(1, ALL)
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3}}


def test_what_was_published_just_before_the_client_left_is_undetermined(story: Story) -> None:
    story.chunk(4, 4_600)
    story.connection(1, ALL)
    assert accounts(story.end()) == {1: {"expected": 4, "delivered": 3, "undetermined": 1}}


def test_the_margin_before_leaving_is_the_manifests(tmp_path: Path) -> None:
    story = Story(tmp_path / "run", settle_ms=300)
    story.chunk(1, 4_600)
    story.connection(1)
    assert accounts(story.end()) == {1: {"expected": 1, "lost": 1}}


def test_a_client_that_left_before_its_plan_expects_nothing_after_it(story: Story) -> None:
    story.chunk(4, 3_000)
    story.connection(1, ALL, closed_ns=ns(2_000))
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3}}


def test_a_client_that_left_right_after_coming_cannot_know(story: Story) -> None:
    story.connection(1, open_ms=100, leave_ms=400)
    assert accounts(story.end()) == {1: {"expected": 3, "undetermined": 3}}


def test_a_connection_cut_by_the_server_still_expects_up_to_its_plan(story: Story) -> None:
    story.chunk(4, 3_000)
    story.connection(1, ALL, closed_ns=ns(2_000), by_server=True)
    assert accounts(story.end()) == {1: {"expected": 4, "delivered": 3, "lost": 1}}


@pytest.mark.parametrize(
    "write",
    [
        {"publish_done_ns": None},
        {"save_done_ns": None},
        {"error": "StoreLost"},
        {"publish_sent_ns": None, "publish_done_ns": None, "save_done_ns": None},
    ],
)
def test_a_write_of_unknown_outcome_is_undetermined(story: Story, write: dict[str, Any]) -> None:
    story.chunk(4, 40, **write)
    story.connection(1, ALL)
    story.connection(2, [*ALL, (41, 4)])
    assert accounts(story.end()) == {
        1: {"expected": 4, "delivered": 3, "undetermined": 1},
        2: {"expected": 4, "delivered": 4},
    }


def test_a_write_that_never_reached_the_store_is_not_expected(story: Story) -> None:
    nothing = dict.fromkeys(
        ("publish_sent_ns", "publish_done_ns", "save_sent_ns", "save_done_ns"), None
    )
    story.chunk(4, 40, numbered=False, error="StoreLost", **nothing)
    story.connection(1, ALL)
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3}}


def test_a_chunk_without_a_number_is_known_by_its_content(story: Story) -> None:
    story.chunk(4, 40, numbered=False, publish_done_ns=None, save_done_ns=None, error="StoreLost")
    story.connection(1, [*ALL, (41, 4)])
    story.connection(2, ALL)
    assert accounts(story.end()) == {
        1: {"expected": 4, "delivered": 4},
        2: {"expected": 4, "delivered": 3, "undetermined": 1},
    }


def test_a_chunk_without_a_number_that_nobody_received_is_not_expected(story: Story) -> None:
    story.chunk(4, 40, numbered=False, publish_done_ns=None, save_done_ns=None, error="StoreLost")
    story.connection(1, ALL)
    assert accounts(story.end()) == {1: {"expected": 3, "delivered": 3}}


def test_a_number_used_twice_names_two_chunks(story: Story) -> None:
    story.chunk(1, 40, digest=77)
    story.connection(1, [*ALL, (41, 1, Via.LIVE, 77)])
    story.connection(2, ALL)
    assert accounts(story.end()) == {
        1: {"expected": 4, "delivered": 4, "out_of_order": 1, "rewinds": 1},
        2: {"expected": 4, "delivered": 3, "lost": 1},
    }


def test_what_a_resuming_client_already_had_is_not_expected_and_doubles(story: Story) -> None:
    story.connection(1, [(12, 2), (13, 3), (14, 1)], after_seq=2)
    assert accounts(story.end()) == {
        1: {"expected": 1, "delivered": 1, "duplicate": 2, "rewinds": 1}
    }


def test_what_is_received_is_delivered_even_outside_the_window(story: Story) -> None:
    story.chunk(4, 5_001)
    story.connection(1, [*ALL, (5_002, 4)])
    assert accounts(story.end()) == {1: {"expected": 4, "delivered": 4}}


def test_a_connection_that_never_opened_expects_nothing(story: Story) -> None:
    story.connection(1, connected_ns=None, error="refused")
    assert accounts(story.end()) == {1: {}}


def test_a_killed_load_generator_knows_nothing_after_its_last_record(story: Story) -> None:
    story.chunk(4, 1_000)
    story.chunk(5, 3_000)
    story.connection(1, [(11, 1), (31, 3)], end=False)
    story.connection(2, [*ALL, (1_001, 4)], end=False)
    story.connection(3, end=False)
    assert accounts(story.end("locust")) == {
        1: {"expected": 5, "delivered": 2, "lost": 1, "undetermined": 2},
        2: {"expected": 5, "delivered": 4, "undetermined": 1},
        3: {"expected": 5, "undetermined": 5},
    }


def test_receipts_of_what_a_killed_producer_did_not_record_accuse_nobody(story: Story) -> None:
    story.connection(1, [*ALL, (41, 4), (42, 3, Via.LIVE, 99)])
    assert accounts(story.end("producer")) == {
        1: {"expected": 3, "delivered": 3, "unexpected": 1, "unrecorded": 1}
    }


def test_receipts_through_a_fetch_are_counted(story: Story) -> None:
    story.connection(1, [(11, 1), (31, 3), (40, 2, Via.FETCH), (41, 3, Via.FETCH)])
    gather(story.end())
    assert judge(load_run(story.folder)).accounts["fetched"].tolist() == [1]


def test_latency_is_of_live_chunks_since_their_publication(story: Story) -> None:
    story.connection(1, [(11, 1, Via.HISTORY), (21.5, 2), (33, 3)])
    gather(story.end())
    judgement = judge(load_run(story.folder))
    (latency_ms,) = judgement.latency_ms.values()
    assert judgement.accounts["timed"].tolist() == [2]
    assert latency_ms.tolist() == [1.5, 3.0]


def test_a_run_without_connections_has_no_verdicts(story: Story) -> None:
    assert accounts(story.end()) == {}


# --- planted at random ---------------------------------------------------------------------

FATES = ("once", "twice", "lost", "altered", "altered_and_once")


@st.composite
def truths(draw: st.DrawFn) -> dict[str, Any]:
    """Sessions, connections, and what happens to each chunk of each connection."""
    sessions = draw(st.integers(1, 3))
    chunks = draw(st.integers(0, 12))
    unknown = draw(st.sets(st.integers(1, 12), max_size=3))
    connections = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "session": st.integers(0, sessions - 1),
                    "after_seq": st.integers(0, 6),
                    "fates": st.lists(st.sampled_from(FATES), min_size=12, max_size=12),
                    "shuffle": st.randoms(use_true_random=False),
                    "disorderly": st.booleans(),
                    "foreign": st.integers(0, 2),
                    "ends": st.sampled_from(["plan", "early", "cut"]),
                    "left_ms": st.integers(20, 1_900),
                }
            ),
            max_size=8,
        )
    )
    return {"sessions": sessions, "chunks": chunks, "unknown": unknown, "connections": connections}


def planted(truth: dict[str, Any], one: dict[str, Any]) -> tuple[list[Any], dict[str, int]]:
    """(receipts, the verdicts they must get), by a loop over chunks that shares no code.

    Chunk `n` is published at 100 n ms; everybody opens at 0, means to leave at 2 s, settles 500 ms.
    """
    session, want, receipts = f"s{one['session']}", Counter[str](), []
    until = one["left_ms"] if one["ends"] == "early" else 2_000
    for seq in range(1, truth["chunks"] + 1):
        fate = one["fates"][seq - 1]
        had = seq <= one["after_seq"]
        if fate in ("once", "twice", "altered_and_once"):
            receipts += [(0, seq, Via.LIVE, content(seq, session))] * (1 + (fate == "twice"))
            want["duplicate"] += (fate == "twice") + had
            want["delivered"] += not had
        elif not had and 100 * seq < until:
            known = 100 * seq < until - 500 and seq not in truth["unknown"]
            want["lost" if known else "undetermined"] += 1
        if fate.startswith("altered"):
            receipts.append((0, seq, Via.HISTORY, 5))
            want["unexpected"] += 1
    receipts += [(0, 100 + n, Via.LIVE, n) for n in range(one["foreign"])]
    want["unexpected"] += one["foreign"]
    if one["disorderly"]:
        one["shuffle"].shuffle(receipts)
    sent = [seq for _, seq, _, digest in receipts if digest == content(seq, session)]
    want["rewinds"] = sum(later < seq for seq, later in pairwise(sent))
    highest, seen = 0, set[int]()
    for _, seq, _, digest in receipts:
        right = digest == content(seq, session) and seq > one["after_seq"] and seq not in seen
        if right:
            seen.add(seq)
            want["out_of_order"] += seq < highest
            highest = max(highest, seq)
    want["expected"] = want["delivered"] + want["lost"] + want["undetermined"]
    return receipts, {name: count for name, count in want.items() if count}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(truths())
def test_whatever_is_planted_comes_back(truth: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder) / "run")
        for session in range(truth["sessions"]):
            for seq in range(1, truth["chunks"] + 1):
                error = "StoreLost" if seq in truth["unknown"] else None
                story.chunk(seq, 100 * seq, session_id=f"s{session}", error=error)
        want = {}
        for number, one in enumerate(truth["connections"]):
            receipts, want[number] = planted(truth, one)
            story.connection(
                number,
                receipts,
                leave_ms=2_000,
                session_id=f"s{one['session']}",
                after_seq=one["after_seq"],
                closed_ns=ns(2_000 if one["ends"] == "plan" else one["left_ms"]),
                by_server=one["ends"] == "cut",
            )
        assert accounts(story.end()) == want


# --- every verdict can fail ----------------------------------------------------------------

PLANTED: dict[Verdict, tuple[list[Any], dict[str, int]]] = {
    Verdict.DELIVERED: (ALL, {"expected": 3, "delivered": 3}),
    Verdict.LOST: (ALL[:2], {"expected": 3, "delivered": 2, "lost": 1}),
    Verdict.DUPLICATE: ([*ALL, (40, 3)], {"expected": 3, "delivered": 3, "duplicate": 1}),
    Verdict.OUT_OF_ORDER: (
        [ALL[1], ALL[0], ALL[2]],
        {"expected": 3, "delivered": 3, "out_of_order": 1, "rewinds": 1},
    ),
    Verdict.UNEXPECTED: ([*ALL, (40, 9)], {"expected": 3, "delivered": 3, "unexpected": 1}),
    Verdict.UNDETERMINED: (ALL, {"expected": 4, "delivered": 3, "undetermined": 1}),
}


def _never_lost(listeners: Listeners) -> Listeners:
    return replace(listeners, certain_ns=np.full_like(listeners.certain_ns, -np.inf))


def _all_first(came: Any) -> Any:
    return replace(came, is_first=came.chunk >= 0)


def _none_delivered(tallies: dict[str, Any]) -> dict[str, Any]:
    return tallies | {"delivered": np.zeros_like(tallies["delivered"])}


def _all_known(chunks: Chunks) -> Chunks:
    return replace(chunks, known=np.ones_like(chunks.known))


MUTANTS: dict[Verdict, tuple[str, Callable[[Any], Any]]] = {
    Verdict.DELIVERED: ("_of_straight", _none_delivered),
    Verdict.LOST: ("_of_batch", _never_lost),
    Verdict.DUPLICATE: ("_arrivals", _all_first),
    Verdict.OUT_OF_ORDER: ("_overtaken", np.zeros_like),
    Verdict.UNEXPECTED: ("_match", lambda chunk: np.maximum(chunk, 0)),
    Verdict.UNDETERMINED: ("_chunks", _all_known),
}
"""A step of the checker, and what a checker blind to the verdict would make of its result."""


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("verdict", Verdict)
def test_a_checker_blind_to_a_verdict_does_not_pass(
    story: Story, verdict: Verdict, blind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipts, want = PLANTED[verdict]
    if verdict is Verdict.UNDETERMINED:
        story.chunk(4, 40, error="StoreLost")
    story.connection(1, receipts)
    if blind:
        name, spoil = MUTANTS[verdict]
        step = getattr(verdicts, name)
        monkeypatch.setattr(verdicts, name, lambda *given: spoil(step(*given)))
    assert (accounts(story.end())[1] == want) is not blind
