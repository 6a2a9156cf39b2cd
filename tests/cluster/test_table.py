"""What people read: the table, the sentences, and whether to trust them."""

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console

from chunk7.analysis.recovery import FaultChunks, FaultResult, RecoveryTimes
from chunk7.analysis.results import Result, Summary
from chunk7.run_table import show
from chunk7.wire.account import Quantiles

KEPT = Result(
    connect="buffered_merge",
    write="atomic_lua",
    connections=120,
    lossy_connections=0,
    loss_rate=0.0,
    loss_rate_low=0.0,
    loss_rate_high=0.031,
    chunks_expected=2_400,
    chunks_delivered=2_400,
    chunks_lost=0,
    chunks_undetermined=0,
    chunks_duplicate=0,
    chunks_out_of_order=0,
    chunks_unexpected=0,
    chunks_fetched=0,
    chunks_lost_predicted=0.0,
    chunks_lost_predicted_low=0.0,
    chunks_lost_predicted_high=0.0,
    chunks_duplicate_predicted=0.0,
    chunks_duplicate_predicted_low=0.0,
    chunks_duplicate_predicted_high=0.0,
    chunks_fetched_predicted=0.0,
    chunks_fetched_predicted_low=0.0,
    chunks_fetched_predicted_high=0.0,
    causes={},
    window_ms=Quantiles(p50=-1.25, p95=0.0, p99=0.0),
    gap_ms=Quantiles(),
    join_ms=Quantiles(p50=6.6, p95=9.0, p99=9.0),
    chunk_latency_ms=Quantiles(p50=1.8, p95=2.0, p99=2.0),
    memory_bytes_per_chunk=None,
)


def shown(
    *results: Result, against: tuple[str, ...] = (), width: int = 80, **other: Any
) -> list[str]:
    """The lines printed for a run, without the blank ones."""
    summary = Summary(
        valid=not against,
        invalid_because=list(against),
        seed=7,
        run_dir="runs/one",
        results=list(results),
        **other,
    )
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show(summary, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines() if line.strip()]


def test_a_row_fits_into_80_columns_and_each_connect_ordering_is_named_once() -> None:
    lossy = msgspec.structs.replace(
        KEPT,
        write="publish_then_save",
        lossy_connections=18,
        loss_rate=0.15,
        loss_rate_low=0.097,
        loss_rate_high=0.225,
        chunks_lost=24,
        chunks_lost_predicted=12.34,
        causes={"save_lag": 24},
    )
    assert shown(lossy, KEPT)[:5] == [
        "connect             lossy/       loss %    lost unde-      dis- wind. join chunk",
        "  x write            conn.        (95%)   (law) term. dup. ord.    ms   ms    ms",
        "buffered_merge",
        "  publish_then_save 18/120 15.0 (10-22) 24 (12)     0    0    0  -1.2  6.6   1.8",
        "  atomic_lua         0/120    0.0 (0-3) 0 (0.0)     0    0    0  -1.2  6.6   1.8",
    ]


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_gets_fewer_columns_and_no_field_is_cut(width: int) -> None:
    lines = shown(KEPT, width=width)
    table = lines[: [line.startswith("too narrow") for line in lines].index(True)]
    assert max(map(len, table)) <= width
    assert "atomic_lua" in table[3]
    assert "0/120" in table[3]
    assert "…" not in "".join(table)


def test_the_table_is_followed_by_a_sentence_a_cell_the_folder_and_the_validity() -> None:
    lines = shown(KEPT)
    assert lines[4].startswith("buffered_merge x atomic_lua keeps all: 0 of 120 connections")
    assert lines[5:] == ["run folder: runs/one", "The run is valid."]


def test_each_strike_of_a_fault_and_each_excuse_is_a_line() -> None:
    none = FaultChunks(expected=9, delivered=9, lost=0, undetermined=0, duplicate=0, causes={})
    fault = FaultResult(
        name="node_kill", target="node-2", connect="c", write="w", offset_ms=2_000, began_s=3.0,
        ended_s=4.0, visits=8, interrupted=6, not_back=0, within=none, outside=none,
        recovery_ms=RecoveryTimes(p50=301.0, p50_low=250.0, p50_high=None),
    )  # fmt: skip
    lines = shown(KEPT, faults=[fault], excused=["node-2 was cut short"], width=200)
    assert lines[-2:] == [
        "node_kill node-2 at 2.00 s of c x w: 6 of 8 visits interrupted, back after 301 ms "
        "(250 to ?); 0 chunks lost, 0 undetermined",
        "Excused by its faults: node-2 was cut short",
    ]


def test_what_speaks_against_a_run_is_said_a_line_each() -> None:
    assert shown(KEPT, against=("store was killed", "nothing was published"))[-2:] == [
        "NOT VALID: store was killed",
        "NOT VALID: nothing was published",
    ]


def test_a_cell_that_nobody_joined_has_no_rates() -> None:
    nobody = msgspec.structs.replace(
        KEPT,
        connections=0,
        chunks_expected=0,
        loss_rate=None,
        loss_rate_low=None,
        loss_rate_high=None,
        window_ms=Quantiles(),
        join_ms=Quantiles(),
        chunk_latency_ms=Quantiles(),
    )
    row = shown(nobody)[3].split()
    assert row == ["atomic_lua", "0/0", "-", "0", "(0.0)", "0", "0", "0", "-", "-", "-"]


def test_a_cell_of_which_nothing_is_known_says_so_in_its_row_and_in_its_sentence() -> None:
    """Frames that nobody could read made "0/120" and "keeps all" out of 2,400 unknown chunks."""
    unknown = msgspec.structs.replace(KEPT, chunks_delivered=0, chunks_undetermined=2_400)
    lines = shown(unknown)
    assert "2400" in lines[3].split()
    assert lines[4].startswith("buffered_merge x atomic_lua cannot be judged: no loss was seen")
    assert "keeps all" not in "".join(lines)


def test_users_who_lost_their_connection_have_a_sentence() -> None:
    returns = {
        "users_cut": 40, "returns": 39, "tries": 44, "never_back": 1, "away_ms_median": 312.4,
        "away_ms_max": 1_204.0, "chunks_away": 600, "chunks_away_lost": 2,
    }  # fmt: skip
    lines = shown(msgspec.structs.replace(KEPT, returns=returns), width=200)
    assert (
        "buffered_merge x atomic_lua: 40 users lost their connection: 39 returns, away 312 ms "
        "(median), 1 never back; of 600 chunks published meanwhile 2 were lost." in lines
    )
    assert not any("lost their connection" in line for line in shown(KEPT, width=200))
