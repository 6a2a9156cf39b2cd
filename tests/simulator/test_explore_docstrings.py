"""Each shipped ordering's docstring shows its shortest failing schedule, or says there is none.

The schedules are written out here, step for step, next to the docstring's own lines; each must
end as the docstring says, and be as short as the explorer's.
"""

from dataclasses import dataclass
from inspect import cleandoc, getdoc, getmodule
from pathlib import Path

import pytest
from mutants.mutant import schedule

from chunk7.delivery.user_file import load_file
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.schedule import Failure, Step
from chunk7.simulator.explore.search import ExploreVerdict, explore
from chunk7.simulator.explore.state import ExploreCell
from chunk7.simulator.explore.world import World, replay


@dataclass(frozen=True)
class Claim:
    """`words` stand in the docstring of one of the pair's modules; `steps` are what they mean."""

    connect: str
    write: str
    words: tuple[str, ...]
    steps: tuple[Step, ...]
    faults: tuple[str, ...] = ()
    chunks: int = 1


EXAMPLES = Path(__file__).parents[2] / "examples" / "orderings"
CONNECTS = {
    **CONNECT_ORDERINGS,
    **{
        name: getattr(load_file(EXAMPLES / f"{name}.py", "ordering"), name)
        for name in ("poke_and_read", "subscribe_then_start", "tail_then_follow")
    },
}
POKES = load_file(EXAMPLES / "poke_and_read.py", "ordering").save_then_poke
WRITES = {**WRITE_ORDERINGS, POKES.name: POKES}
"""The shipped ones, and those of examples/."""

READ_THEN_SUBSCRIBE = """
node1.join1 read_history
{written}
node1.join1 send_history
node1.join1 subscribe
store subscription
node1.join1 confirmed
node1.join1 send_welcome
"""
PUBLISHED_THEN_READ = """
producer next_seq 1
producer publish 1
node1.join1 subscribe
store subscription
node1.join1 confirmed
node1.join1 read_history
producer save 1
node1.join1 send_history
{released}
node1.join1 send_welcome
"""
BUG = ("node: read history", "producer: publish and save 1", "node: subscribe")
LATE_SAVE = ("producer: publish 1", "node: subscribe, read", "producer: save 1")

CLAIMS = [
    Claim(
        "history_then_subscribe",
        "publish_then_save",
        BUG,
        schedule(
            READ_THEN_SUBSCRIBE.format(
                written="producer next_seq 1\nproducer publish 1\nproducer save 1"
            )
        ),
    ),
    Claim(
        "history_then_subscribe",
        "save_then_publish",
        BUG,
        schedule(
            READ_THEN_SUBSCRIBE.format(
                written="producer next_seq 1\nproducer save 1\nproducer publish 1"
            )
        ),
    ),
    Claim(
        "history_then_subscribe",
        "atomic_multi",
        BUG,
        schedule(
            READ_THEN_SUBSCRIBE.format(written="producer next_seq 1\nproducer save_and_publish 1")
        ),
    ),
    Claim(
        "history_then_subscribe",
        "atomic_lua",
        BUG,
        schedule(READ_THEN_SUBSCRIBE.format(written="producer number_save_and_publish 1")),
    ),
    Claim(
        "subscribe_then_history",
        "publish_then_save",
        LATE_SAVE,
        schedule(PUBLISHED_THEN_READ.format(released="").replace("\n\n", "\n")),
    ),
    Claim(
        "buffered_merge",
        "publish_then_save",
        LATE_SAVE,
        schedule(PUBLISHED_THEN_READ.format(released="node1.join1 release")),
    ),
    Claim(
        "redis_streams",
        "stream_append",
        ("producer: append 1, append 2", "node: read from the beginning  gets 2"),
        schedule(
            """
            producer next_seq 1
            producer append 1
            producer next_seq 2
            producer append 2
            store trim
            node1.join1 read_stream
            node1.join1 send_history
            node1.join1 follow
            node1.join1 send_welcome
            """
        ),
        faults=("trim",),
        chunks=2,
    ),
    Claim(
        "poke_and_read",
        "save_then_poke",
        (
            "node: subscribe, read       (empty)",
            "producer: save 1, poke      the notice is on its way",
            "node: send, look from now on",
            "node: goes deaf",
        ),
        schedule(
            """
            producer next_seq 1
            node1.join1 subscribe
            store subscription
            node1.join1 confirmed
            node1.join1 read_history
            producer save 1
            producer poke 1
            node1.join1 send_history
            node1.join1 look_when_poked
            node1.join1 send_welcome
            node1 deaf_node
            """
        ),
        faults=("deaf_node",),
    ),
    Claim(
        "subscribe_then_start",
        "atomic_lua",
        (
            "node: subscribe, start",
            "producer: number, save and publish 1",
            "node: crashes               1 was on its way",
            "node: subscribe, start      on the next node",
        ),
        schedule(
            """
            node1.join1 subscribe
            store subscription
            node1.join1 confirmed
            node1.join1 start
            producer number_save_and_publish 1
            node1 node_crash
            node2.join1 subscribe
            store subscription
            node2.join1 confirmed
            node2.join1 start
            node2.join1 send_welcome
            """
        ),
        faults=("node_kill",),
    ),
    Claim(
        "tail_then_follow",
        "stream_append",
        (
            "producer: append 1, append 2",
            "store: trim",
            "node: read the tail, follow, read from the beginning  gets 2",
        ),
        schedule(
            """
            producer next_seq 1
            producer append 1
            producer next_seq 2
            producer append 2
            store trim
            node1.join1 read_tail
            node1.join1 follow
            node1.join1 read_stream
            node1.join1 send_history
            node1.join1 release_after
            node1.join1 send_welcome
            """
        ),
        faults=("trim",),
        chunks=2,
    ),
]
IDS = [f"{claim.connect}-{claim.write}" for claim in CLAIMS]


def cell(claim: Claim) -> ExploreCell:
    return ExploreCell(
        CONNECTS[claim.connect],
        WRITES[claim.write],
        chunks=claim.chunks,
        faults=claim.faults,
    )


@pytest.mark.parametrize("claim", CLAIMS, ids=IDS)
def test_the_docstring_says_so(claim: Claim) -> None:
    words = cleandoc(CONNECTS[claim.connect].steps.__globals__["__doc__"])
    places = [words.find(line) for line in claim.words]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("claim", CLAIMS, ids=IDS)
def test_the_docstrings_schedule_loses_chunk_1(claim: Claim) -> None:
    world = World(cell(claim))
    end = replay(world, claim.steps)[-1]
    assert world.moves(end) == []
    assert world.outcome(end).lost == ((1,),)


@pytest.mark.parametrize("claim", CLAIMS, ids=IDS)
def test_no_schedule_is_shorter_than_the_docstrings(claim: Claim) -> None:
    shortest = explore(cell(claim)).search.shortest[Failure.LOSSY]
    assert len(shortest) == len(claim.steps)


def test_the_producers_docstring_shows_the_same_schedule() -> None:
    words = getdoc(getmodule(WRITE_ORDERINGS["publish_then_save"].steps))
    assert [line in words for line in LATE_SAVE] == [True] * 3


@pytest.mark.parametrize("name", ["save_then_publish", "atomic_multi", "atomic_lua"])
def test_guarantee_who_subscribes_and_only_then_reads_misses_nothing(name: str) -> None:
    for connect in ("subscribe_then_history", "buffered_merge"):
        result = explore(ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[name]))
        assert result.verdict == ExploreVerdict.LOSSLESS


def test_guarantee_of_option_2_every_entry_once_and_in_order() -> None:
    result = explore(
        ExploreCell(CONNECT_ORDERINGS["redis_streams"], WRITE_ORDERINGS["stream_append"])
    )
    assert (result.verdict, dict(result.search.shortest)) == ("lossless", {})


def test_guarantee_of_option_3_the_price_is_duplicates_and_disorder() -> None:
    result = explore(
        ExploreCell(CONNECT_ORDERINGS["sequence_gap_fill"], WRITE_ORDERINGS["atomic_lua"])
    )
    assert result.verdict == ExploreVerdict.LOSSLESS
    assert set(result.search.shortest) == {
        Failure.DUPLICATING,
        Failure.OUT_OF_ORDER,
        Failure.REWINDING,
    }
    words = getdoc(getmodule(CONNECT_ORDERINGS["sequence_gap_fill"].steps))
    assert "disorder" in words
    assert "duplicates" in words


def test_guarantee_of_a_tail_that_is_followed_into_a_buffer_every_entry_once_and_in_order() -> None:
    cell = ExploreCell(CONNECTS["tail_then_follow"], WRITE_ORDERINGS["stream_append"])
    result = explore(cell)
    assert (result.verdict, dict(result.search.shortest)) == ("lossless", {})
    assert result.search.tally.schedules == 19_431


@pytest.mark.parametrize("write", ["publish_then_save", "atomic_lua"])
def test_guarantee_who_has_the_answer_begin_misses_nothing_whoever_writes(write: str) -> None:
    result = explore(ExploreCell(CONNECTS["subscribe_then_start"], WRITE_ORDERINGS[write]))
    assert (result.verdict, dict(result.search.shortest)) == ("lossless", {})


def test_nothing_is_written_before_somebody_has_asked_for_it() -> None:
    world = World(ExploreCell(CONNECTS["subscribe_then_start"], WRITE_ORDERINGS["atomic_lua"]))
    [(step, _)] = world.moves(world.initial())
    assert step == Step("node1.join1", "subscribe")


@pytest.mark.parametrize(("chunks", "lossy"), [(2, 0), (3, 10_726)])
def test_a_key_that_each_answer_clears_has_the_last_answer_only(chunks: int, lossy: int) -> None:
    """Two chunks are one answer."""
    write = load_file(EXAMPLES / "clears_before_an_answer.py", "ordering").clears_before_an_answer
    result = explore(ExploreCell(CONNECTS["buffered_merge"], write, chunks=chunks))
    assert result.search.tally.lossy == lossy


@pytest.mark.parametrize(("chunks", "joiners"), [(3, 1), (2, 2)])
def test_guarantee_who_is_poked_after_the_saving_reads_every_chunk_once_and_in_order(
    chunks: int, joiners: int
) -> None:
    cell = ExploreCell(CONNECTS["poke_and_read"], POKES, chunks=chunks, joiners=joiners)
    result = explore(cell)
    assert (result.verdict, dict(result.search.shortest)) == ("lossless", {})
