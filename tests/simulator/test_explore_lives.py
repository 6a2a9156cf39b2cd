"""Producers' lives: the explorer's counts are those of a model apart, and the known facts hold."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from explore_kit import PAIRS
from lives_model import CONNECTS, WRITES, Model
from mutants import MUTANTS
from mutants.mutant import schedule
from wide_kit import share

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.clients import CLIENTS
from chunk7.delivery.errors import UsageError
from chunk7.delivery.life import ONE_BY_ONE, ProducerLife, Retry
from chunk7.delivery.ordering import ClientPolicy, ConnectOrdering, WriteOrdering
from chunk7.delivery.properties import reader_property
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.drawing import draw, rerun
from chunk7.simulator.explore.properties import check_properties
from chunk7.simulator.explore.schedule import Failure, Schedule, document, parse
from chunk7.simulator.explore.search import ExploreVerdict, Search, explore
from chunk7.simulator.explore.state import ExploreCell

FAULTS = {"timeout": "producer_timeout", "crash": "producer_crash", "zombie": "producer_zombie"}
LIVES: dict[str, tuple[int, dict[str, Any]]] = {
    "one by one": (3, {}),
    "two writers": (3, {"writers": 2}),
    "overlap": (3, {"overlap": 2}),
    "overlap of three": (3, {"overlap": 3}),
    "two writers that overlap": (2, {"writers": 2, "overlap": 2}),
    "timeout": (2, {"trouble": "timeout"}),
    "timeout, overlap": (2, {"trouble": "timeout", "overlap": 2}),
    "retry same": (2, {"trouble": "timeout", "retry": "same"}),
    "retry same, overlap": (2, {"trouble": "timeout", "retry": "same", "overlap": 2}),
    "retry new": (2, {"trouble": "timeout", "retry": "new"}),
    "retry new, overlap": (2, {"trouble": "timeout", "retry": "new", "overlap": 2}),
    "crash": (2, {"trouble": "crash"}),
    "crash of one of two": (2, {"trouble": "crash", "writers": 2}),
    "zombie": (2, {"trouble": "zombie"}),
    "zombie, overlap": (2, {"trouble": "zombie", "overlap": 2}),
}


def walked(cell: ExploreCell) -> Search:
    found = explore(cell).search
    assert found.complete
    return found


@pytest.mark.parametrize(
    ("life", "connect", "write"),
    share(product(LIVES, CONNECTS, ["save_then_publish", "atomic_multi", "atomic_lua"])),
)
def test_counts_are_those_of_a_model_that_knows_nothing_of_ours(
    life: str, connect: str, write: str
) -> None:
    """Found by it: a write that was tried again kept the next one from beginning."""
    chunks, terms = LIVES[life]
    zombies = life == "zombie, overlap" and write == "atomic_multi"
    chunks -= zombies or write == "save_then_publish"  # many commands, many schedules
    modelled = Model(connect, write, chunks, **terms).counts()
    retry = Retry(terms["retry"]) if "retry" in terms else None
    cell = ExploreCell(
        CONNECT_ORDERINGS[connect],
        WRITE_ORDERINGS[write],
        chunks,
        faults=(FAULTS[terms["trouble"]],) if "trouble" in terms else (),
        life=ProducerLife(terms.get("writers", 1), terms.get("overlap", 1), retry),
    )
    tally = walked(cell).tally
    assert (tally.schedules, tally.lossy, tally.duplicating, tally.out_of_order) == modelled


def test_the_model_knows_the_orderings_that_it_spells() -> None:
    assert CONNECTS.keys() <= CONNECT_ORDERINGS.keys()
    assert WRITES.keys() <= WRITE_ORDERINGS.keys()


# --- the known facts ---------------------------------------------------------------------------


TROUBLES = {
    "writers": (ProducerLife(writers=2), ()),
    "overlap": (ProducerLife(overlap=2), ()),
    "same": (ProducerLife(retry=Retry.SAME), ("producer_timeout",)),
    "new": (ProducerLife(retry=Retry.NEW), ("producer_timeout",)),
}


@pytest.mark.parametrize(
    ("connect", "write", "trouble"),
    share((*pair, trouble) for pair in PAIRS for trouble in TROUBLES),
)
def test_no_life_of_a_producer_brings_a_new_loss(
    connect: ConnectOrdering, write: WriteOrdering, trouble: str
) -> None:
    life, faults = TROUBLES[trouble]
    plain = explore(ExploreCell(connect, write, chunks=2)).verdict
    assert explore(ExploreCell(connect, write, 2, faults=faults, life=life)).verdict == plain


@pytest.mark.parametrize("life", [ProducerLife(writers=2), ProducerLife(overlap=2)], ids=str)
def test_a_merge_doubles_what_is_published_in_another_order_than_saved(life: ProducerLife) -> None:
    """Of all that sends nothing twice when one producer does one thing after the other."""
    merge, doubles = CONNECT_ORDERINGS["buffered_merge"], {}
    for write in ("save_then_publish", "atomic_multi", "atomic_lua"):
        plain = ExploreCell(merge, WRITE_ORDERINGS[write])
        assert walked(plain).tally.duplicating == 0
        lived = ExploreCell(merge, WRITE_ORDERINGS[write], life=life)
        doubles[write] = walked(lived).tally.duplicating > 0
    assert doubles == {"save_then_publish": True, "atomic_multi": False, "atomic_lua": False}


@reader_property
def shows_no_text_twice(shown: Sequence[Chunk], due: Sequence[Chunk]) -> bool:
    texts = [(chunk.message_id, chunk.index) for chunk in shown]
    return len(set(texts)) == len(texts)


@pytest.mark.parametrize("policy", ClientPolicy)
@pytest.mark.parametrize("write", ["atomic_multi", "atomic_lua"])
def test_only_who_looks_at_message_and_index_hides_what_a_retry_doubles(
    policy: ClientPolicy, write: str
) -> None:
    """A copy has a number of its own: who goes by numbers shows it."""
    merge, client = CONNECT_ORDERINGS["buffered_merge"], CLIENTS[policy]
    cell = ExploreCell(merge, WRITE_ORDERINGS[write], chunks=2, client=client)
    plain = check_properties(cell, [shows_no_text_twice])
    assert plain.verdicts == {"shows_no_text_twice": "holds"}
    again = replace(cell, faults=("producer_timeout",), life=ProducerLife(retry=Retry.NEW))
    hides = policy is ClientPolicy.DEDUPLICATES
    verdicts = check_properties(again, [shows_no_text_twice]).verdicts
    assert verdicts == {"shows_no_text_twice": "holds" if hides else "broken"}


@pytest.mark.parametrize(
    ("name", "elsewhere"),
    [
        ("high_water_mark", ONE_BY_ONE),
        ("numbers_by_place", ProducerLife(overlap=2)),
        ("rereads_behind_a_count", ProducerLife(retry=Retry.NEW)),
    ],
)
def test_only_its_own_life_shows_what_is_wrong(name: str, elsewhere: ProducerLife) -> None:
    mutant = MUTANTS[name]
    cell = ExploreCell(mutant.connect, mutant.write, 3, faults=mutant.faults, life=elsewhere)
    assert explore(cell).verdict is ExploreVerdict.LOSSLESS


@pytest.mark.parametrize("name", ["keeps_the_latest_copy", "begins_at_the_last_beginning"])
def test_no_fault_of_before_shows_what_a_second_beginning_breaks(name: str) -> None:
    mutant = MUTANTS[name]
    for faults in ((), ("producer_timeout",)):
        tally = walked(ExploreCell(mutant.connect, mutant.write, 3, faults=faults)).tally
        assert getattr(tally, mutant.fails) == 0
    if mutant.fails is Failure.LOSSY:  # a successor that waits until the first is gone does no harm
        crash = ExploreCell(mutant.connect, mutant.write, 3, faults=("producer_crash",))
        assert walked(crash).tally.lossy == 0


# --- schedules ---------------------------------------------------------------------------------


def test_a_schedule_keeps_the_life_of_its_producers() -> None:
    life = ProducerLife(2, 3, Retry.NEW)
    kept = Schedule("a", "b", 2, 1, (), (), life=life)
    assert document(kept)["life"] == {"writers": 2, "overlap": 3, "retry": "new"}
    assert parse(document(kept)) == kept
    assert "life" not in document(Schedule("a", "b", 2, 1, (), ()))


@pytest.mark.parametrize(
    ("life", "message"),
    [
        (7, "life 7: want an object"),
        ({"writers": 0}, "life: writers 0: must be between 1 and 4"),
        ({"overlap": True}, "life: overlap True: must be between 1 and 4"),
        ({"retry": "never"}, "life: retry 'never': null, same, new"),
    ],
    ids=["kind", "writers", "overlap", "retry"],
)
def test_a_life_that_is_none_is_refused_in_a_line(life: Any, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        parse(document(Schedule("a", "b", 2, 1, (), ())) | {"life": life})


def test_a_drawing_has_a_column_a_writer_and_one_for_a_zombie() -> None:
    merge, lua = CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"]
    life = ProducerLife(writers=2)
    cell = ExploreCell(merge, lua, chunks=2, faults=("producer_zombie",), life=life)
    steps = schedule(
        """
        producer producer_zombie
        producer number_save_and_publish 1
        producer2 number_save_and_publish 2
        zombie number_save_and_publish 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    )
    names = (merge.name, lua.name)
    drawn = draw(rerun(cell, Schedule(*names, 2, 1, cell.faults, steps, life=life)))
    columns = drawn.splitlines()[2].split()
    assert columns == ["producer", "producer2", "zombie", "store", "node1", "client1"]
    assert "TAKEN FOR DEAD, another BEGINS AGAIN" in drawn
    assert "client1 receives: 1, 2, 1" in drawn


@pytest.mark.parametrize(
    ("retry", "never"), [(None, ()), (Retry.SAME, ()), (Retry.NEW, ())], ids=str
)
def test_what_a_repeated_command_cannot_do_is_not_missed(
    retry: Retry | None, never: tuple[str, ...]
) -> None:
    merge, multi = CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_multi"]
    life = ProducerLife(retry=retry)
    assert explore(ExploreCell(merge, multi, 2, 1, ("producer_timeout",), life=life)).never == never
