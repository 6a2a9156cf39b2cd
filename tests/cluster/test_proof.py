"""A cell that lost nothing is told apart from one that cannot lose."""

import pytest
from msgspec.structs import replace
from test_table import KEPT

from chunk7.cluster.jobs.proof import proof


@pytest.mark.parametrize(
    ("connect", "write", "sentence"),
    [
        (
            "subscribe_then_history",
            "publish_then_save",
            "Yet it can lose: `chunk7 explore --connect subscribe_then_history "
            "--write publish_then_save` draws how.",
        ),
        ("buffered_merge", "atomic_lua", "No interleaving of 2 chunks loses one."),
        ("redis_streams", "stream_append", "No interleaving of 2 chunks loses one."),
        ("somebodys_own", "atomic_lua", ""),
    ],
)
def test_what_the_run_did_not_show_the_explorer_says(
    connect: str, write: str, sentence: str
) -> None:
    assert proof(replace(KEPT, connect=connect, write=write)) == sentence


def test_a_loss_that_was_measured_needs_no_proof() -> None:
    lossy = replace(KEPT, connect="history_then_subscribe", chunks_lost=1)
    assert proof(lossy) == ""
