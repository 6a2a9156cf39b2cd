"""A policy in a file of one's own: found as orderings are, and one clear line where it is wrong."""

from pathlib import Path
from typing import Any

import pytest

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.clients import CLIENTS
from chunk7.delivery.clients.takes_all import TakesAll
from chunk7.delivery.errors import OrderingError, UsageError
from chunk7.delivery.frames import ControlFrame, EndFrame, JoinedFrame, LiveFrame, StoredFrame
from chunk7.delivery.ordering import ClientPolicy, ConnectOrdering, connect_ordering
from chunk7.delivery.own_client import OwnClient, resolve_client
from chunk7.delivery.registry import resolve

FILE = """
from chunk7.delivery.clients.fills_gaps import FillsGaps
from chunk7.delivery.clients.takes_all import TakesAll

class Mine(FillsGaps):
    pass

ready = TakesAll()
half = object()
nothing = None

class Needs(TakesAll):
    def __init__(self, what): pass
"""
ORDERING = """
from chunk7.delivery.effects import SendWelcome
from chunk7.delivery.ordering import connect_ordering

@connect_ordering(client="policies.py:Mine")
def polite(join):
    yield SendWelcome()
"""
ONE = LiveFrame(Chunk("s", "m", 0, "text", seq=1))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policies.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("name", ["Mine", "ready"])
def test_a_class_or_an_object_in_a_file_is_a_policy(file: Path, name: str) -> None:
    client = resolve_client(f"{file}:{name}")
    assert client.take(client.start(), ONE)[1] == (ONE.chunk,)
    assert client.asks == (name == "Mine")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_shipped_policy_is_found_by_its_name(name: str) -> None:
    client = resolve_client(name)
    assert isinstance(client, OwnClient)
    assert (client.name, client.start()) == (name, CLIENTS[name].start())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nobody", "unknown client 'nobody': one of takes_all, deduplicates, fills_gaps, "),
        ("{file}:Nobody", "{file} has nothing named 'Nobody'"),
        ("{file}:nothing", "{file} has nothing named 'nothing'"),
        ("{file}:half", "{file}:half lacks start, take, ask, misses, resume_after, asks, reads_cu"),
        ("{file}:Needs", "{file}:Needs: TypeError: "),
        ("{file}.py:Mine", "no client file {file}.py"),
    ],
)
def test_what_is_no_policy_is_one_line(file: Path, spec: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_client(spec.format(file=file), "--client")
    assert str(caught.value).startswith(f"--client: {message.format(file=file)}")
    assert "\n" not in str(caught.value)


def test_an_ordering_names_a_policy_in_the_file_beside_it(file: Path) -> None:
    (file.parent / "orderings.py").write_text(ORDERING)
    found = resolve(f"{file.parent}/orderings.py:polite", {}, ConnectOrdering)
    assert (found.client_model.asks, found.mends) == (True, True)
    assert not isinstance(found.client, ClientPolicy)


def test_an_ordering_brings_a_policy_as_a_class_or_an_object() -> None:
    for client in (TakesAll, TakesAll()):
        found = connect_ordering(client=client)(lambda join: iter(()))  # type: ignore[arg-type,return-value]
        assert isinstance(found.client, OwnClient)
        assert found.client.name == "TakesAll"


def test_a_shipped_policy_may_be_written_as_a_word() -> None:
    found = connect_ordering(client="fills_gaps")(lambda join: iter(()))  # type: ignore[arg-type,return-value]
    assert found.client is ClientPolicy.FILLS_GAPS


class Says(TakesAll):
    """Answers one method with something else."""

    def __init__(self, method: str, answer: Any) -> None:
        setattr(self, method, lambda *_: answer)


@pytest.mark.parametrize(
    ("method", "answer", "says"),
    [
        ("start", {}, "a memory must be hashable"),
        ("take", None, "None: want a pair, the memory first"),
        ("take", (None, True), "True: want the chunks shown, a tuple, are second"),
        ("take", (None, (1,)), "(1,): want the chunks shown, a tuple, are second"),
        ("take", ([], ()), "a memory must be hashable"),
        ("ask", (None, (0, 1)), "(0, 1): want second is None or a pair of numbers from 1 on"),
        ("ask", (None, (2, 1)), "(2, 1): want second is None or a pair of numbers from 1 on"),
        ("ask", (None, (1, 10_001)), "want second is None or a pair of numbers from 1 on, 10000"),
        ("resume_after", -1, "-1: want a number from 0 on, or a stream's cursor"),
        ("resume_after", "yesterday", "'yesterday': want a number from 0 on, or a stream's cursor"),
        ("resume_after", None, "None: want a number from 0 on, or a stream's cursor"),
    ],
)
def test_an_answer_that_is_none_is_named(method: str, answer: Any, says: str) -> None:
    client = OwnClient("mine.py:Says", Says(method, answer))
    arguments = {"start": (), "take": (None, ONE), "ask": (None,), "resume_after": (None,)}
    with pytest.raises(OrderingError) as caught:
        getattr(client, method)(*arguments[method])
    assert str(caught.value).startswith(f"mine.py:Says: {method}: ")
    assert says in str(caught.value)


def test_what_a_policy_raises_is_named() -> None:
    class Raises(TakesAll):
        def misses(self, memory: Any) -> bool:
            raise KeyError("hole")

    with pytest.raises(OrderingError, match=r"^mine: misses: KeyError: 'hole'$"):
        OwnClient("mine", Raises()).misses(None)


@pytest.mark.parametrize("name", CLIENTS)
def test_shipped_policies_bear_every_kind_of_frame(name: str) -> None:
    client = resolve_client(name)
    memory = client.start()
    for frame in (StoredFrame(()), JoinedFrame(), ControlFrame("recovered"), EndFrame()):
        memory, shown = client.take(memory, frame)
        assert shown == ()
    assert client.resume_after(memory) in (0, "0-0")
