"""Rows of benchmarks/load_generators.py: medians, and no client without the measure."""

from benchmarks.load_generators import CLIENTS, as_rows


def test_a_row_has_the_median_of_each_client_that_measures_it() -> None:
    ours = [{"trickle_us": us, "idle_kib": 9.0} for us in (20.0, 22.0, 21.0)]
    found = {"picows": [{"trickle_us": 12.0, "idle_kib": 23.0}], "chunk7": ours}
    found["Artillery"] = [{"trickle_us": 30.0}]
    alone, idle = as_rows(found, ["Node ws: node is not installed"])
    assert (alone.chunk7, alone.peers) == (21.0, {"picows": 12.0, "Artillery": 30.0})
    assert (alone.met, alone.ratio("picows")) == (True, 12.0 / 21.0)
    assert idle.peers == {"picows": 23.0}
    assert idle.note == "Node ws: node is not installed"


def test_nobody_is_set_beside_a_chunk7_that_was_not_measured() -> None:
    assert [*as_rows({"picows": [{"trickle_us": 12.0}]}, [])] == []
    assert next(iter(CLIENTS)) == "chunk7"
