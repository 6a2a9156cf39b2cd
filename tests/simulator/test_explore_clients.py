"""Clients in files of one's own, and cursors that are no numbers."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from call_kit import Call
from explore_kit import PAIR_NAMES, PAIRS

from chunk7.delivery.clients import CLIENTS
from chunk7.delivery.clients.chat_client import ChatClient
from chunk7.delivery.clients.last_id import KeepsLastId
from chunk7.delivery.clients.takes_all import TakesAll
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.liveness import InTheEnd, in_the_end
from chunk7.simulator.explore.schedule import Failure, document, parse
from chunk7.simulator.explore.search import ExploreVerdict, explore
from chunk7.simulator.explore.state import ExploreCell

STREAM = CONNECT_ORDERINGS["redis_streams"], WRITE_ORDERINGS["stream_append"]
PAIR = ("--connect", "subscribe_then_history", "--write", "atomic_lua")

FILE = """
from chunk7.delivery.clients.takes_all import TakesAll

class Mine(TakesAll):
    pass

class Blind(TakesAll):
    def take(self, memory, frame):
        return memory, ()

class Unhashable(TakesAll):
    def take(self, memory, frame):
        return {}, ()

class Raises(TakesAll):
    def take(self, memory, frame):
        raise KeyError("x")

class Endless(TakesAll):
    def take(self, memory, frame):
        while True:
            pass

class Grows(TakesAll):
    asks = True

    def start(self):
        return 0

    def ask(self, memory):
        return memory + 1, (1, 1)
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(FILE)
    return f"{tmp_path}/mine.py"


def test_a_policy_in_a_file_replaces_that_of_the_ordering(call: Call, spec: str) -> None:
    done = call("explore", *PAIR, "--chunks", "1", "--client", f"{spec}:Blind", "--json")
    [cell] = json.loads(done.stdout)["cells"]
    assert (cell["client"], cell["verdict"]) == (f"{spec}:Blind", "loses")
    assert cell["schedules"] == cell["lossy"] > 0
    schedule = cell["counterexamples"]["lossy"]
    assert schedule["client"] == f"{spec}:Blind"
    assert document(parse(schedule)) == schedule


def test_without_one_no_document_names_a_client(call: Call) -> None:
    done = call("explore", *PAIR, "--chunks", "1", "--json")
    assert "client" not in json.loads(done.stdout)["cells"][0]


def test_the_table_names_the_client(call: Call) -> None:
    done = call("explore", *PAIR, "--chunks", "1", "--client", "takes_all")
    assert "1 chunk, 1 client, client: takes_all" in done.stdout


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("Unhashable", 1, "Unhashable: take: a memory must be hashable, of tuples and frozensets"),
        ("Raises", 1, "Raises: take: KeyError: 'x'"),
        ("Nobody", 2, "--client: "),
    ],
)
def test_a_broken_policy_is_one_line(
    call: Call, spec: str, name: str, code: int, says: str
) -> None:
    done = call("explore", *PAIR, "--client", f"{spec}:{name}")
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("impatient")
def test_a_policy_that_loops_for_ever_is_given_up(call: Call, spec: str) -> None:
    test_a_broken_policy_is_one_line(call, spec, "Endless", 1, "seems to loop for ever")


def test_a_policy_whose_memory_only_grows_is_given_up(
    call: Call, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunk7.simulator.explore.clients.MAX_MEMORIES", 500)
    test_a_broken_policy_is_one_line(call, spec, "Grows", 1, "500 memories: no end is seen")


@pytest.mark.parametrize("mode", ["--survival", "--promela=model.pml"])
def test_where_a_policy_has_no_place_the_option_is_refused(call: Call, mode: str) -> None:
    done = call("explore", *PAIR, mode, "--client", "takes_all")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--client: not with" in done.stderr


def test_a_policy_of_ones_own_says_itself_where_it_resumes() -> None:
    cell = ExploreCell(*PAIRS[0], faults=("node_kill",))
    assert len(cell.with_each_client()) == 2
    for client in (TakesAll(), CLIENTS["last_id"]):
        assert (
            len(ExploreCell(*PAIRS[0], faults=("node_kill",), client=client).with_each_client())
            == 1
        )


@pytest.mark.parametrize(("connect", "write"), PAIRS, ids=PAIR_NAMES)
def test_the_browsers_client_loses_nothing_with_any_ordering(connect, write) -> None:  # type: ignore[no-untyped-def]
    """It asks for what it misses, whatever the ordering; so does the one that fills gaps."""
    for name in ("chat_client", "fills_gaps"):
        cell = ExploreCell(connect, write, chunks=2, client=CLIENTS[name])
        assert explore(cell).verdict is ExploreVerdict.LOSSLESS


class ResumesBehindWhatItGaveUp(ChatClient):
    """As the browser's did, which took what it had asked for five times in vain for lost."""

    def resume_after(self, memory: Any) -> int:
        done = memory.seqs | memory.lost()
        return next(seq for seq in count() if seq + 1 not in done)


@pytest.mark.parametrize("write", ["save_then_publish", "atomic_multi"])
def test_what_was_given_up_may_have_been_saved_since(write: str) -> None:
    """A producer has taken its number and dawdles: five heartbeats, then a save and a new node."""
    connect = CONNECT_ORDERINGS["subscribe_then_history"]
    ends = [
        in_the_end(
            ExploreCell(connect, WRITE_ORDERINGS[write], 1, faults=("node_kill",), client=client)
        ).verdict
        for client in (ResumesBehindWhatItGaveUp(), ChatClient())
    ]
    assert ends == [InTheEnd.STARVES, InTheEnd.CONVERGES]


def test_one_that_resumes_after_an_id_is_sent_nothing_twice() -> None:
    cell = ExploreCell(*STREAM, chunks=3, faults=("node_kill",), client=KeepsLastId())
    result = explore(cell)
    assert result.verdict is ExploreVerdict.LOSSLESS
    assert result.search.tally.duplicating == 0
    numbers = explore(ExploreCell(*STREAM, chunks=3, faults=("node_kill",), resumes=False))
    assert numbers.search.tally.duplicating > 0


# --- the same by a model of its own -------------------------------------------------------------


class Moment(NamedTuple):
    """A reader of one stream: `written` has the ids, `step` is how far its join is."""

    commands: int = 0
    written: tuple[tuple[int, int], ...] = ()
    step: int = 0
    read: int = 0
    last: str = "0-0"
    shown: frozenset[int] = frozenset()


def nexts(now: Moment, chunks: int, as_text: bool) -> Iterator[Moment]:
    """The producer takes a number or appends, in a new millisecond or not; the reader reads."""
    if now.commands < 2 * chunks:
        on = now._replace(commands=now.commands + 1)
        if now.commands % 2 == 0:
            yield on
        else:
            ms, serial = now.written[-1] if now.written else (8, 0)
            yield on._replace(written=(*now.written, (ms + 1, 0)))
            if now.written:
                yield on._replace(written=(*now.written, (ms, serial + 1)))
    if now.step == 0:  # read the stream
        yield now._replace(step=1, read=len(now.written))
    elif now.step == 1:  # send the history
        yield _given(now._replace(step=2), range(now.read), as_text)
    elif now.step < 4:  # follow, send the welcome
        yield now._replace(step=now.step + 1)
    if now.step >= 3 and now.read < len(now.written):
        read = range(now.read, len(now.written))
        after = now._replace(read=len(now.written))
        for place in read:
            after = _given(after, range(place, place + 1), as_text)
        yield after


def _given(now: Moment, places: range, as_text: bool) -> Moment:
    """A frame with these entries, and the id of the last."""
    if not places:
        return now
    ident = "{}-{}".format(*now.written[places[-1]])
    one, other = (ident, now.last) if as_text else map(_parts, (ident, now.last))
    return now._replace(last=ident, shown=now.shown | {*places}) if one > other else now


def _parts(ident: str) -> tuple[int, ...]:
    return tuple(map(int, ident.split("-")))


def counted(now: Moment, chunks: int, as_text: bool) -> tuple[int, int]:
    """All schedules that lead on from the moment, and those that lose."""
    after = list(nexts(now, chunks, as_text))
    if not after:
        return 1, len(now.shown) < chunks
    counts = [counted(moment, chunks, as_text) for moment in after]
    return sum(count for count, _ in counts), sum(lossy for _, lossy in counts)


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_ids_as_text_and_as_numbers_come_to_what_a_model_of_its_own_counts(
    chunks: int, as_text: bool
) -> None:
    """The model's ids begin with 9-0; that a digit is gained is all that matters."""
    client = KeepsLastId(newer=str.__gt__) if as_text else KeepsLastId()
    tally = explore(ExploreCell(*STREAM, chunks=chunks, client=client)).search.tally
    assert (tally.schedules, tally.lossy) == counted(Moment(), chunks, as_text)
    assert (tally.lossy > 0) is (as_text and chunks > 1)


def test_an_id_that_grows_within_a_millisecond_is_lost_as_text() -> None:
    """9-9 comes before 9-10, and not as text."""
    client = KeepsLastId(newer=str.__gt__)
    assert client._newer("9-9", "9-10")
    assert not KeepsLastId()._newer("9-9", "9-10")


def test_failures_are_named_as_before() -> None:
    result = explore(ExploreCell(*STREAM, chunks=2, client=KeepsLastId(newer=str.__gt__)))
    assert set(result.counterexamples) == {Failure.LOSSY}
