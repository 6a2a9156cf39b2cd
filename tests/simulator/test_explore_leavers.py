"""Clients that leave: the hub's own logic, explored, beside a small model that knows none of it."""

from itertools import product

import pytest
from hub_model import CONNECTS, WRITES, HubModel
from mutants.takes_any_confirmation import AnyConfirmation
from wide_kit import share

from chunk7.delivery.node_channel import UNUSED
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.search import ExploreVerdict, explore
from chunk7.simulator.explore.state import ExploreCell

SAVE_FIRST = ("save_then_publish", "atomic_multi", "atomic_lua")
HUBS = {"ours": UNUSED, "any confirmation": AnyConfirmation()}


def cell(connect: str, write: str, hub: str, chunks: int, fault: str) -> ExploreCell:
    orderings = CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write]
    return ExploreCell(*orderings, chunks, joiners=2, faults=(fault,), hub=HUBS[hub])


@pytest.mark.parametrize(
    ("connect", "write", "hub", "chunks", "fault"),
    share(product(CONNECTS, WRITES, HUBS, [1, 2], ["client_leave", "client_leave_popping"])),
)
def test_another_model_counts_the_same_schedules_and_losses(
    connect: str, write: str, hub: str, chunks: int, fault: str
) -> None:
    tally = explore(cell(connect, write, hub, chunks, fault)).search.tally
    model = HubModel(connect, write, chunks, hub == "ours", pops=fault == "client_leave_popping")
    assert model.counts() == (tally.schedules, tally.lossy)


@pytest.mark.parametrize("write", SAVE_FIRST)
@pytest.mark.parametrize("connect", ["subscribe_then_history", "buffered_merge"])
def test_a_hub_that_takes_any_confirmation_for_its_own_loses_where_ours_does_not(
    connect: str, write: str
) -> None:
    ours, other = (explore(cell(connect, write, hub, 3, "client_leave")) for hub in HUBS)
    assert (ours.verdict, ours.search.complete) == (ExploreVerdict.LOSSLESS, True)
    assert other.verdict == ExploreVerdict.LOSES
