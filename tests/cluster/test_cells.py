"""Which cells a run has."""

from pathlib import Path

import pytest

from chunk7.analysis.manifest import Traits
from chunk7.cluster.cells import choose
from chunk7.delivery.errors import UsageError

READS_TWICE = """
from chunk7.delivery.effects import Confirmed, ReadHistory, Release, SendHistory, Sink, Subscribe
from chunk7.delivery.ordering import ConnectOrdering, ConnectSteps, Join, connect_ordering

@connect_ordering()
def NAME(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory()
    yield SendHistory(history)
    yield Release(known=frozenset(chunk.seq for chunk in history))
"""


def pairs(connects: list[str], writes: list[str]) -> list[str]:
    return [cell.name for cell in choose(connects, writes).cells]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A user's own connect ordering."""
    path = tmp_path / "mine.py"
    path.write_text(READS_TWICE.replace("NAME", "mine"))
    return path


def test_without_names_the_cells_are_those_whose_difference_matters() -> None:
    assert pairs([], []) == [
        "history_then_subscribe x publish_then_save",
        "history_then_subscribe x save_then_publish",
        "history_then_subscribe x atomic_lua",
        "subscribe_then_history x publish_then_save",
        "subscribe_then_history x save_then_publish",
        "subscribe_then_history x atomic_lua",
        "sequence_gap_fill x publish_then_save",
        "sequence_gap_fill x atomic_lua",
        "buffered_merge x publish_then_save",
        "buffered_merge x atomic_lua",
        "redis_streams x stream_append",
    ]


def test_one_side_alone_goes_with_what_pairs_with_it() -> None:
    assert pairs(["redis_streams"], []) == ["redis_streams x stream_append"]
    assert pairs(["buffered_merge"], []) == [
        "buffered_merge x publish_then_save",
        "buffered_merge x save_then_publish",
        "buffered_merge x atomic_lua",
    ]
    assert pairs([], ["atomic_multi"]) == [
        "history_then_subscribe x atomic_multi",
        "subscribe_then_history x atomic_multi",
        "sequence_gap_fill x atomic_multi",
        "buffered_merge x atomic_multi",
    ]


def test_all_means_every_pair_there_is() -> None:
    everything = pairs(["all"], ["all"])
    assert len(everything) == 5 * 4 + 1
    assert "redis_streams x stream_append" in everything


def test_a_named_ordering_that_pairs_with_nothing_named_is_refused() -> None:
    with pytest.raises(UsageError, match="--connect redis_streams: pairs with none of --write"):
        choose(["redis_streams", "buffered_merge"], ["atomic_lua"])
    with pytest.raises(UsageError, match="--write stream_append: pairs with none of --connect"):
        choose(["buffered_merge"], ["stream_append", "atomic_lua"])


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"--connect: unknown ordering 'nosuch': one of history"):
        choose(["nosuch"], [])
    with pytest.raises(UsageError, match=r"--write: unknown ordering 'nosuch': one of publish"):
        choose([], ["nosuch"])


def test_a_file_of_ones_own_is_an_ordering_by_its_own_name(file: Path) -> None:
    spec = f"{file}:mine"
    chosen = choose([spec, "history_then_subscribe"], ["atomic_lua"])
    assert [cell.name for cell in chosen.cells] == [
        "mine x atomic_lua",
        "history_then_subscribe x atomic_lua",
    ]
    assert chosen.connect_files == (spec,)
    assert chosen.traits["mine"] == Traits(fills_gaps=False, merges=True)


def test_a_file_cannot_take_the_name_of_another_ordering(file: Path) -> None:
    file.write_text(READS_TWICE.replace("NAME", "buffered_merge"))
    with pytest.raises(UsageError, match="there already is one named buffered_merge"):
        choose([f"{file}:buffered_merge"], [])


def test_traits_are_what_the_ordering_does() -> None:
    traits = choose(["all"], ["all"]).traits
    assert [name for name, t in traits.items() if t.recovers] == ["positioned_merge"]
    assert {name: (t.fills_gaps, t.merges) for name, t in traits.items()} == {
        "history_then_subscribe": (False, False),
        "subscribe_then_history": (False, False),
        "redis_streams": (False, False),
        "sequence_gap_fill": (True, False),
        "buffered_merge": (False, True),
        "positioned_merge": (False, True),
    }
