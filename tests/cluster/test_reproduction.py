"""The bug report's schedule on a real store, and the explorer's counter-examples beside it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from foreign_kit import backwards, knows_one_and_two, newest_and_fill
from mutants import MUTANTS
from mutants.mutant import schedule
from wide_kit import share

from chunk7.cluster.jobs.reproduction import (
    CHUNKS,
    Reproduction,
    execute,
    seed_schedule,
    turns_before_pause,
)
from chunk7.delivery.errors import Chunk7Error
from chunk7.delivery.life import ProducerLife, Retry
from chunk7.delivery.ordering import pair
from chunk7.faults import STRIKES
from chunk7.field_cases import FIELD_CASES
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.schedule import Schedule, Step
from chunk7.simulator.explore.search import SearchLimits, explore, failures
from chunk7.simulator.explore.state import ExploreCell
from chunk7.simulator.explore.state import schedule_of as explorer_schedule
from chunk7.wire.store.store import Store

CELLS = [
    (connect, write)
    for connect in CONNECT_ORDERINGS.values()
    for write in WRITE_ORDERINGS.values()
    if pair(connect, write)
]
names = [f"{connect.name} x {write.name}" for connect, write in CELLS]


async def on_a_store(url: str, cell: ExploreCell, schedule: Schedule) -> Reproduction:
    """Execute the schedule in a session of its own."""
    store = await Store.open(url, stream_max_entries=cell.stream_max_entries)
    try:
        session_id = f"test-{uuid4().hex}"
        return await execute(cell, schedule, store, url, session_id, lambda step, answer: None)
    finally:
        await store.close()


def schedule_of(cell: ExploreCell, steps: str) -> Schedule:
    """A literal schedule of the cell."""
    sides = (cell.connect.name, cell.write.name)
    terms = (cell.chunks, cell.joiners, cell.faults, schedule(steps), cell.resumes, cell.life)
    return Schedule(*sides, *terms)


async def test_the_bug_loses_exactly_chunk_seven(store_url: str) -> None:
    connect = CONNECT_ORDERINGS["history_then_subscribe"]
    for write in ("publish_then_save", "save_then_publish", "atomic_multi", "atomic_lua"):
        cell = ExploreCell(connect, WRITE_ORDERINGS[write], CHUNKS)
        done = await on_a_store(store_url, cell, seed_schedule(cell))
        [seen] = done.clients
        assert (seen.received, seen.missing) == ((1, 2, 3, 4, 5, 6, 8, 9, 10), (7,)), write
        assert done.receivers == dict.fromkeys(range(1, 8), 0) | {8: 1, 9: 1, 10: 1}


@pytest.mark.parametrize(("connect", "write"), CELLS[4:], ids=names[4:])
async def test_the_fixed_orderings_receive_all_ten(
    store_url: str, connect: Any, write: Any
) -> None:
    """The report's schedule only: some of these lose in others, which explore finds."""
    cell = ExploreCell(connect, write, CHUNKS)
    [seen] = (await on_a_store(store_url, cell, seed_schedule(cell))).clients
    assert seen.missing == ()
    assert set(seen.received) == set(range(1, 11))


@pytest.mark.parametrize(
    ("connect", "write", "faults"),
    share(
        ((*cell, faults) for cell in CELLS for faults in [(), *((name,) for name in STRIKES)]),
        one_in=6,
    ),
)
async def test_every_counter_example_fails_so_on_the_real_store(
    store_url: str, connect: Any, write: Any, faults: tuple[str, ...]
) -> None:
    """Receipts are compared step by step: duplicates and disorder, too, are the real store's."""
    for cell in ExploreCell(connect, write, chunks=2, faults=faults).with_each_client():
        await hold_counter_examples(store_url, cell)


async def hold_counter_examples(url: str, cell: ExploreCell) -> None:
    """Each fails on the real store as it does in memory."""
    found = explore(cell, SearchLimits(max_schedules=20_000)).counterexamples
    for failure, example in found.items():
        smaller = replace(cell, chunks=example.chunks)
        done = await on_a_store(url, smaller, example)
        assert failures(done.replay.outcome)[failure]
        assert tuple(seen.missing for seen in done.clients) == done.replay.outcome.lost
        again = [bool(seen.duplicates) for seen in done.clients]
        assert any(again) == done.replay.outcome.duplicated


LIVES = {
    "writers": ProducerLife(writers=2),
    "overlap": ProducerLife(overlap=2),
    "same": ProducerLife(retry=Retry.SAME),
    "new": ProducerLife(retry=Retry.NEW, overlap=2),
}


@pytest.mark.parametrize(
    ("connect", "write", "named"), share((*cell, life) for cell in CELLS for life in LIVES)
)
async def test_so_do_those_of_other_lives_of_the_producer(
    store_url: str, connect: Any, write: Any, named: str
) -> None:
    life = LIVES[named]
    faults = ("producer_timeout",) if life.retry else ()
    await hold_counter_examples(store_url, ExploreCell(connect, write, 2, faults=faults, life=life))


@pytest.mark.parametrize("resumes", [True, False])
async def test_a_client_that_comes_back_does_so_after_what_it_has(
    store_url: str, resumes: bool
) -> None:
    merge, lua = CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"]
    cell = ExploreCell(merge, lua, chunks=1, faults=("node_kill",), resumes=resumes)
    steps = """
        producer number_save_and_publish 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1 node_crash
        node2.join1 subscribe
        store subscription
        node2.join1 confirmed
        node2.join1 read_history
        node2.join1 send_history
        node2.join1 release
        node2.join1 send_welcome
        """
    [seen] = (await on_a_store(store_url, cell, schedule_of(cell, steps))).clients
    assert seen.received == ((1,) if resumes else (1, 1))


async def test_a_chunk_that_is_known_and_late_is_left_out_behind_a_higher_one_that_was_held(
    store_url: str,
) -> None:
    """Held 3, known 1 and 2, then 2: this driver sent 3 and 2, the live node and the explorer 3."""
    cell = ExploreCell(knows_one_and_two, backwards, chunks=2)
    steps = """
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        producer publish 1
        node1 deliver 1
        node1.join1 release
        producer publish 2
        node1 deliver 2
        node1.join1 send_welcome
        """
    [seen] = (await on_a_store(store_url, cell, schedule_of(cell, steps))).clients
    assert seen.received == (1,)


async def test_an_entry_that_the_model_skips_is_skipped_by_the_real_store(store_url: str) -> None:
    """It was called lossless: two entries of one millisecond were beyond the model."""
    mutant = MUTANTS["counts_behind_the_dash"]
    example = explore(mutant.cell()).counterexample
    assert example is not None
    assert example.steps == mutant.shortest
    done = await on_a_store(store_url, mutant.cell(example.chunks), example)
    assert [seen.missing for seen in done.clients] == [(2,)]
    assert [answer for answer in done.answers if isinstance(answer, str)] == [
        "999999-0",
        "999999-1",
    ]


async def test_a_client_that_takes_ids_for_text_leaves_out_what_a_real_store_sends(
    store_url: str,
) -> None:
    mutant = MUTANTS["compares_ids_as_text"]
    cell = mutant.cell(mutant.chunks)
    example = explore(cell).counterexamples[mutant.fails]
    [seen] = (await on_a_store(store_url, cell, example)).clients
    assert (seen.received, seen.missing) == ((1, 2), (2,))


@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("reads_the_tail_last", ()),
        ("releases_from_the_tail", (1, 1)),
        ("starts_before_it_listens", ()),
        ("clears_at_the_end", ()),
        ("numbers_each_answer_anew", (3,)),
        ("pokes_before_it_saves", ()),
    ],
)
async def test_what_only_some_orderings_ask_for_is_done_by_a_real_store_as_by_the_model(
    store_url: str, name: str, received: tuple[int, ...]
) -> None:
    cell = MUTANTS[name].cell(MUTANTS[name].chunks)
    shortest = explorer_schedule(cell, MUTANTS[name].shortest)
    [seen] = (await on_a_store(store_url, cell, shortest)).clients
    assert seen.received == received


async def test_who_is_poked_reads_what_is_new(store_url: str) -> None:
    cell = ExploreCell(*MUTANTS["pokes_before_it_saves"].sound, chunks=1)
    steps = """
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 look_when_poked
        node1.join1 send_welcome
        producer next_seq 1
        producer save 1
        producer poke 1
        node1 notice
        node1.join1 look
        """
    [seen] = (await on_a_store(store_url, cell, schedule_of(cell, steps))).clients
    assert (seen.received, seen.missing) == ((1,), ())


async def test_a_gap_in_a_stream_is_fetched_from_the_stream(store_url: str) -> None:
    """It was sought in the history list, which a producer for streams never writes."""
    cell = ExploreCell(newest_and_fill, WRITE_ORDERINGS["stream_append"], chunks=1)
    steps = """
        node1.join1 read_stream
        node1.join1 send_history
        producer next_seq 1
        producer append 1
        node1.join1 follow
        node1.join1 read_head
        node1.join1 send_welcome
        node1.join1 fetch
        node1.join1 fetched
        node1.join1 heartbeat
        """
    [seen] = (await on_a_store(store_url, cell, schedule_of(cell, steps))).clients
    assert (seen.received, seen.missing) == ((1,), ())


async def test_two_clients_of_one_node_share_its_subscription(store_url: str) -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["history_then_subscribe"], WRITE_ORDERINGS["atomic_lua"], 2, joiners=2
    )
    example = explore(cell).counterexample
    assert example is not None
    smaller = ExploreCell(cell.connect, cell.write, example.chunks, 2)
    done = await on_a_store(store_url, smaller, example)
    assert tuple(seen.missing for seen in done.clients) == done.replay.outcome.lost


LISTENING = [pair for pair in CELLS if pair[0].name != "redis_streams"]


@pytest.mark.parametrize("fault", ["client_leave", "client_leave_popping"])
@pytest.mark.parametrize(
    ("connect", "write"), LISTENING, ids=[f"{c.name} x {w.name}" for c, w in LISTENING]
)
async def test_who_leaves_ends_the_subscription_of_a_real_store_as_in_the_model(
    store_url: str, connect: Any, write: Any, fault: str
) -> None:
    cell = ExploreCell(connect, write, chunks=1, joiners=2, faults=(fault,))
    await hold_counter_examples(store_url, cell)


async def test_an_unsubscribe_crosses_the_subscribe_of_the_next_who_joins(store_url: str) -> None:
    merge, lua = CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"]
    cell = ExploreCell(merge, lua, chunks=2, joiners=2, faults=("client_leave",))
    steps = """
        node1.join1 subscribe
        node1.join1 leave
        node1.join2 subscribe
        store subscription
        producer number_save_and_publish 1
        store unsubscription
        node1 confirmation
        node1 deliver 1
        store subscription
        node1 confirmation
        node1.join2 confirmed
        node1.join2 read_history
        node1.join2 send_history
        producer number_save_and_publish 2
        node1 deliver 2
        node1.join2 release
        node1.join2 send_welcome
        """
    done = await on_a_store(store_url, cell, schedule_of(cell, steps))
    assert [seen.received for seen in done.clients] == [(), (1, 2)]
    assert done.receivers == {1: 1, 2: 1}


VARIANTS = {
    f"{case.name}: {told.name}": told.cell
    for case in FIELD_CASES.values()
    for told in case.variants
    if not told.cell.ends and told.cell.replica is None and case.name != "assistant_ui_5515"
}


@pytest.mark.parametrize("name", VARIANTS)
async def test_bugs_that_people_shipped_fail_so_on_the_real_store(
    store_url: str, name: str
) -> None:
    await hold_counter_examples(store_url, VARIANTS[name])


def test_those_of_an_end_or_a_replica_are_the_only_ones_left_out() -> None:
    told = {name.partition(":")[0] for name in VARIANTS}
    assert FIELD_CASES.keys() - told == {
        "assistant_ui_5515",
        "deer_flow_3932",
        "openslides_5290",
        "term_llm_455",
    }


async def test_a_hub_of_ones_own_stands_where_the_real_store_would_leave_it(store_url: str) -> None:
    mutant = MUTANTS["takes_any_confirmation"]
    cell = mutant.cell(mutant.chunks)
    done = await on_a_store(store_url, cell, explorer_schedule(cell, mutant.shortest))
    assert [(seen.received, seen.missing) for seen in done.clients] == [((), ()), ((), (1,))]
    assert done.receivers == {1: 0}


async def test_a_store_that_answers_otherwise_than_the_model_is_a_failure(store_url: str) -> None:
    """A chunk that somebody else saved in the session shows at the next read."""
    cell = ExploreCell(
        CONNECT_ORDERINGS["history_then_subscribe"], WRITE_ORDERINGS["publish_then_save"], CHUNKS
    )
    store = await Store.open(store_url)
    await store.next_seq("meddled")
    with pytest.raises(Chunk7Error, match="step 1, producer next_seq: the real store answers 2"):
        await execute(cell, seed_schedule(cell), store, store_url, "meddled", lambda *_: None)
    await store.close()


def test_the_window_is_where_the_ordering_pauses() -> None:
    turns = {name: turns_before_pause(ordering) for name, ordering in CONNECT_ORDERINGS.items()}
    assert turns == {
        "history_then_subscribe": 2,
        "subscribe_then_history": 2,
        "redis_streams": 2,
        "sequence_gap_fill": 2,
        "buffered_merge": 2,
        "positioned_merge": 2,
    }


def test_the_reports_five_instants_in_order() -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["history_then_subscribe"], WRITE_ORDERINGS["publish_then_save"], CHUNKS
    )
    steps = [step for step in seed_schedule(cell).steps if step.effect != "next_seq"]
    start = steps.index(Step("node1.join1", "read_history"))
    assert steps[start : start + 9] == [
        Step("node1.join1", "read_history"),
        Step("node1.join1", "send_history"),
        Step("producer", "publish", 7),
        Step("producer", "save", 7),
        Step("node1.join1", "subscribe"),
        Step("store", "subscription"),
        Step("node1.join1", "confirmed"),
        Step("node1.join1", "send_welcome"),
        Step("producer", "publish", 8),
    ]


# --- the command ---


def chunk7(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the real command. The environment is Python's: where pytest imports readline, that tells
    the C library a width (COLUMNS) of which Python knows nothing.
    """
    command = [sys.executable, "-m", "chunk7", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=dict(os.environ)
    )


def test_the_command_prints_the_reports_result_as_json() -> None:
    done = chunk7("reproduce", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "schema": 1,
        "connect": "history_then_subscribe",
        "write": "publish_then_save",
        "received": [1, 2, 3, 4, 5, 6, 8, 9, 10],
        "missing": [7],
        "duplicates": [],
        "receivers": {str(n): int(n > 7) for n in range(1, 11)},
    }


def test_the_command_shows_steps_answers_and_the_timeline(store_url: str) -> None:
    done = chunk7("reproduce", "--redis", store_url)
    assert done.returncode == 0
    assert "publish 7 -> 0 receivers" in done.stdout
    assert "<- RISK WINDOW starts" in done.stdout
    assert "Chunk 7: LOST" in done.stdout


def test_a_schedule_of_explore_is_replayed_with_the_same_outcome(tmp_path: Path) -> None:
    explored = chunk7(
        "explore", "--connect", "subscribe_then_history", "--write", "publish_then_save",
        "--out", str(tmp_path), "--json",
    )  # fmt: skip
    assert explored.returncode == 0, explored.stderr
    [path] = tmp_path.glob("subscribe_then_history-*-lossy.json")
    done = chunk7("reproduce", "--schedule", str(path), "--json", "--out", str(tmp_path / "r"))
    document = json.loads(done.stdout)
    assert (document["missing"], document["write"]) == ([1], "publish_then_save")
    written = json.loads((tmp_path / "r" / "reproduce.json").read_text())
    assert written == document
    assert "Chunk 1: LOST" in (tmp_path / "r" / "timeline.txt").read_text()


def test_a_schedule_that_doubles_a_chunk_is_replayed_too(tmp_path: Path) -> None:
    chunk7("explore", "--connect", "subscribe_then_history", "--out", str(tmp_path), "--json")
    schedule = tmp_path / "subscribe_then_history-atomic_lua-duplicating.json"
    done = chunk7("reproduce", "--schedule", str(schedule))
    assert done.returncode == 0, done.stderr
    assert "client1 gets chunk 1 twice" in done.stdout
    assert schedule.with_suffix(".txt").read_text() in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--connect", "nonsense"], 2, "--connect: unknown ordering 'nonsense': one of history_"),
        (
            ["--connect", "buffered_merge", "--write", "stream_append"],
            2,
            "--connect buffered_merge does not pair with --write stream_append",
        ),
        (["--schedule", "no-such-file"], 2, "no-such-file: No such file or directory"),
        (["--redis", "redis://127.0.0.1:1"], 1, "no store at 127.0.0.1:1"),
        (["--redis", "http://x"], 2, "--redis: want redis://HOST:PORT/DB, rediss://"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], code: int, message: str) -> None:
    done = chunk7("reproduce", *arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith(f"chunk7 reproduce: error: {message}")
    assert done.stderr.count("\n") == 1
