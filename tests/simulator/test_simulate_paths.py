"""A table of an ordering's paths: each is found out once, and is what the generator would do."""

import gc
from collections import Counter

import pytest

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    Confirmed,
    ReadHead,
    ReadHistory,
    SendHistory,
    SendWelcome,
    Subscribe,
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.ordering import ConnectOrdering, ConnectSteps, Join
from chunk7.delivery.stepping import Steps
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual.paths import LONGEST, WORDS, Path, Paths
from chunk7.simulator.virtual.settings import SimulationSettings
from chunk7.simulator.virtual.simulate import simulate

CHUNKS = tuple(Chunk("s", "m0", index, "", seq=index + 1) for index in range(3))


def asks_for_the_head_if_there_is_history(join: Join) -> ConnectSteps:
    history = yield ReadHistory()
    if history:
        yield SendWelcome((yield ReadHead()))
    else:
        yield Subscribe()


def begun() -> tuple[Paths, Path, Counter[str]]:
    made: Counter[str] = Counter()

    def make() -> Steps:
        made["steps"] += 1
        return Steps(asks_for_the_head_if_there_is_history(Join("s")))

    paths = Paths()
    return paths, paths.begin("s", make), made


def test_what_is_answered_differently_goes_different_ways() -> None:
    paths, root, _ = begun()
    assert root.effect == ReadHistory()
    some = paths.learn(root, 3, CHUNKS)
    none = paths.learn(root, 0, ())
    assert (some.effect, none.effect) == (ReadHead(), Subscribe())
    assert root.after == {3: some, 0: none}
    assert paths.learn(some, 7, 7).effect == SendWelcome(7)
    assert paths.learn(some, 8, 8).effect == SendWelcome(8)
    assert paths.learn(none, None, None).effect is None


def test_a_way_that_goes_on_where_it_was_found_needs_no_second_generator() -> None:
    paths, root, made = begun()
    path = root
    for name, answer in ((3, CHUNKS), (7, 7), (None, None)):
        path = paths.learn(path, name, answer)
    assert (path.effect, made["steps"]) == (None, 1)
    paths.learn(root, 0, ())
    assert made["steps"] == 2


def test_a_generator_is_run_for_each_way_and_not_for_each_client() -> None:
    joins: list[Join] = []
    plain = CONNECT_ORDERINGS["history_then_subscribe"]

    def steps(join: Join) -> ConnectSteps:
        joins.append(join)
        return plain.steps(join)

    settings = SimulationSettings(connections=5_000, sessions=8, message_chunks=50)
    write = WRITE_ORDERINGS["atomic_lua"]
    counted = simulate(settings, ConnectOrdering("history_then_subscribe", steps), write)
    assert counted == simulate(settings, plain, write)
    assert len(joins) < 250  # up to 76 chunks, of which each may be the last: the dry runs apart


@pytest.mark.parametrize("connect", CONNECT_ORDERINGS)
def test_a_table_that_forgets_all_the_time_changes_nothing(
    connect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordering = CONNECT_ORDERINGS[connect]
    write = next(write for write in WRITE_ORDERINGS.values() if write.feed is ordering.feed)
    settings = SimulationSettings(connections=300, sessions=4, watchers=3)
    kept = simulate(settings, ordering, write)
    monkeypatch.setattr("chunk7.simulator.virtual.paths.ROOM", 10)
    assert simulate(settings, ordering, write) == kept


def test_sessions_that_store_other_things_do_not_share_a_path() -> None:
    """The last chunk is marked: an ordering may look, and answers are not all as long."""

    def stops_at_the_end(join: Join) -> ConnectSteps:
        history = yield ReadHistory()
        yield SendHistory(history)
        if not (history and history[-1].final):
            yield Subscribe()
            yield Confirmed()
        yield SendWelcome()

    settings = SimulationSettings(connections=4_000, sessions=16, message_chunks=20, duty=0.5)
    write = WRITE_ORDERINGS["save_then_publish"]
    lively = simulate(settings, ConnectOrdering("lively", stops_at_the_end), write)
    assert lively.chunks_lost > 0
    assert set(lively.causes) == {"handover_gap"}


def test_an_error_comes_each_time_that_the_way_is_taken() -> None:
    def broken(join: Join) -> ConnectSteps:
        yield ReadHead()
        raise ValueError("no")

    paths = Paths()
    root = paths.begin("s", lambda: Steps(broken(Join("s"))))
    for _ in range(2):
        with pytest.raises(OrderingError, match="raised ValueError: no"):
            paths.learn(root, 1, 1)


def test_what_is_no_longer_kept_is_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places knew the one before them: gigabytes that were forgotten waited for a collection."""
    monkeypatch.setattr("chunk7.simulator.virtual.paths.ROOM", 4 * (WORDS + 3))
    paths, root, _ = begun()
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(thing, Path) for thing in gc.get_objects())
        for name in range(100):
            paths.learn(root, name, CHUNKS)
        assert sum(isinstance(thing, Path) for thing in gc.get_objects()) - before <= 5
    finally:
        gc.enable()


def test_an_answer_of_very_many_chunks_is_not_kept() -> None:
    paths, root, _ = begun()
    path = paths.learn(root, LONGEST + 1, CHUNKS[:1] * (LONGEST + 1))
    assert (path.effect, root.after) == (ReadHead(), {})
    assert paths.learn(path, 7, 7).effect == SendWelcome(7)
