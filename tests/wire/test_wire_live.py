"""The judge's answer as CSV: whole, unrounded, and quoted as RFC 4180 has it."""

import csv
import io

from chunk7.wire.account import Account, Explored, Quantiles
from chunk7.wire.live import Document, as_csv

TOTAL = Account(
    connect='own "fix", <b>',
    write="atomic_lua",
    connections=40,
    lossy_connections=1,
    loss_rate=0.025,
    loss_rate_low=0.0044,
    loss_rate_high=0.1288,
    chunks_expected=1_000,
    chunks_delivered=998,
    chunks_lost=2,
    chunks_undetermined=0,
    chunks_duplicate=12,
    chunks_out_of_order=3,
    chunks_unexpected=0,
    chunks_fetched=0,
    rewinds=4,
    chunks_lost_predicted=1.25,
    chunks_lost_predicted_low=0.0,
    chunks_lost_predicted_high=4.5,
    window_ms=Quantiles(0.5, 1.25, 2.0),
    gap_ms=Quantiles(),
    join_ms=Quantiles(3.0, 4.0, 5.0),
    causes={"save_lag": 2},
    explored=Explored(verdict="loses", chunks=3, command="chunk7 explore"),
)


def document(*results: Account) -> Document:
    return Document(
        state="over", round=3, from_round=2, rounds=2, rounds_forgotten=0, valid=False,
        invalid_because=["locust was saturated"], judged_at_unix_s=1.0, lag_s=0.5,
        results=list(results), history=[],
    )  # fmt: skip


def test_each_pair_is_a_row_under_a_header() -> None:
    head, row, rest = as_csv(document(TOTAL)).split("\r\n")
    assert head == (
        "round,rounds,valid,connect,write,connections,lossy_connections,loss_rate,loss_rate_low,"
        "loss_rate_high,chunks_expected,chunks_delivered,chunks_lost,chunks_undetermined,"
        "chunks_duplicate,chunks_out_of_order,chunks_unexpected,chunks_fetched,rewinds,"
        "chunks_lost_predicted,chunks_lost_predicted_low,chunks_lost_predicted_high,"
        "window_ms_p50,window_ms_p95,window_ms_p99,gap_ms_p50,gap_ms_p95,gap_ms_p99,"
        "join_ms_p50,join_ms_p95,join_ms_p99,lost_by_handover_gap,lost_by_save_lag,"
        "lost_by_unconfirmed_subscribe,lost_by_store_reconnect,lost_by_store_replaced,"
        "lost_by_deaf_node,lost_by_stale_read,lost_by_slow_client,"
        "lost_by_trimmed,lost_by_tail,lost_by_node_gone,lost_by_unknown,explored"
    )
    assert row == (
        '3,2,no,"own ""fix"", <b>",atomic_lua,40,1,0.025,0.0044,0.1288,1000,998,2,0,12,3,0,0,4,'
        "1.25,0.0,4.5,0.5,1.25,2.0,,,,3.0,4.0,5.0,0,2,0,0,0,0,0,0,0,0,0,0,loses"
    )
    assert rest == ""


def test_it_reads_back_as_it_was() -> None:
    [row] = csv.DictReader(io.StringIO(as_csv(document(TOTAL)), newline=""))
    assert (row["connect"], float(row["loss_rate"])) == (TOTAL.connect, TOTAL.loss_rate)


def test_without_results_there_is_a_header() -> None:
    assert as_csv(document()).count("\r\n") == 1
