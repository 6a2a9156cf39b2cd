"""The store in memory and a real server answer the same script with the same history."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chunk7.delivery.chunk import Chunk, stream_key
from chunk7.delivery.effects import BEGINNING, NEWEST, Cursor, StreamRead
from chunk7.delivery.errors import StoreError
from chunk7.delivery.store import MemoryStore
from chunk7.wire.frames import decode_chunk
from chunk7.wire.store.link import Link
from chunk7.wire.store.store import Store

COMMANDS = (
    "next_seq",
    "publish",
    "save",
    "save_and_publish",
    "number_save_and_publish",
    "append",
    "history",
    "head",
    "stream",
    "newest",
    "subscribe",
    "unsubscribe",
)
Script = list[tuple[str, str]]
scripts = st.lists(
    st.tuples(st.sampled_from(COMMANDS), st.sampled_from(["a", "b"])), min_size=1, max_size=30
)


class Numbered:
    """One session's cursors as ordinal numbers: ids are instants, only their order matters."""

    def __init__(self) -> None:
        self._seen: list[Cursor] = [BEGINNING]

    def __call__(self, answer: Any) -> Any:
        if isinstance(answer, StreamRead):
            return (answer.chunks, self(answer.cursor))
        if isinstance(answer, str):
            if answer not in self._seen:
                self._seen.append(answer)
            return f"cursor {self._seen.index(answer)}"
        return answer


def arguments(name: str, session: str, step: int, cursor: Cursor) -> tuple[Any, ...]:
    """What to call a store method with at one step of a script."""
    chunk = Chunk(session, "m", step, f"text {step} é", step % 2 == 0, step + 1)
    return {
        "next_seq": (session,),
        "history": (session, step // 3, step + 1),
        "head": (session,),
        "stream": (session, cursor),
    }.get(name, (chunk,))


def in_memory(script: Script, max_entries: int | None) -> list[Any]:
    """Each step's answer, then what the subscriber was sent."""
    store, answers = MemoryStore(max_entries), []
    number = {"a": Numbered(), "b": Numbered()}
    cursor = {"a": BEGINNING, "b": BEGINNING}
    for step, (name, session) in enumerate(script):
        if name in ("subscribe", "unsubscribe"):
            getattr(store, name)("client", session)
            continue
        if name == "newest":
            answer: Any = store.stream(session, NEWEST)
        else:
            answer = getattr(store, name)(*arguments(name, session, step, cursor[session]))
        if isinstance(answer, StreamRead):
            cursor[session] = answer.cursor
        answers.append(number[session](answer))
    return [*answers, list(store.mailboxes["client"])]


async def on_a_server(url: str, script: Script, max_entries: int | None) -> list[Any]:
    """The same script on a real server."""
    store = await Store.open(url, stream_max_entries=max_entries)
    await store.link.send("FLUSHALL")
    pushes: asyncio.Queue[Any] = asyncio.Queue()
    subscriber = await Link.open(url, on_push=pushes.put_nowait)
    answers, received = [], []
    number = {"a": Numbered(), "b": Numbered()}
    cursor = {"a": BEGINNING, "b": BEGINNING}

    async def read_until(kind: bytes) -> None:
        while (push := await asyncio.wait_for(pushes.get(), 10))[0] != kind:
            received.append(decode_chunk(push[2]))

    for step, (name, session) in enumerate(script):
        if name in ("subscribe", "unsubscribe"):
            subscriber.push(name.upper(), stream_key(session))
            await read_until(name.encode())
            continue
        if name == "newest":
            answer: Any = await store.stream(session, NEWEST)
        else:
            answer = await getattr(store, name)(*arguments(name, session, step, cursor[session]))
        if isinstance(answer, StreamRead):
            cursor[session] = answer.cursor
        answers.append(number[session](answer))
    subscriber.push("SUBSCRIBE", "end of script")
    await read_until(b"subscribe")
    await subscriber.close()
    await store.close()
    return [*answers, received]


@given(scripts, st.sampled_from([None, 1, 2]))
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_memory_and_server_give_the_same_history(
    store_url: str, script: Script, max_entries: int | None
) -> None:
    expected = in_memory(script, max_entries)
    assert asyncio.run(on_a_server(store_url, script, max_entries)) == expected


def test_a_literal_history_on_both(store_url: str) -> None:
    script = [
        ("number_save_and_publish", "a"),
        ("subscribe", "a"),
        ("next_seq", "a"),
        ("publish", "a"),
        ("history", "a"),
    ]
    first = Chunk("a", "m", 0, "text 0 é", True, 1)
    third = Chunk("a", "m", 3, "text 3 é", False, 4)
    assert in_memory(script, None) == [(1, 0), 2, 1, (), [third]]
    assert in_memory([*script[:1], ("history", "a")], None) == [(1, 0), (first,), []]
    assert asyncio.run(on_a_server(store_url, script, None)) == [(1, 0), 2, 1, (), [third]]


async def test_calls_are_executed_in_call_order_without_waiting(store_url: str) -> None:
    store = await Store.open(store_url)
    numbers = await asyncio.gather(*(store.next_seq("s") for _ in range(500)))
    assert numbers == list(range(1, 501))
    await store.close()


async def test_everything_we_write_has_a_time_to_live(store_url: str) -> None:
    store = await Store.open(store_url, history_ttl_ms=60_000)
    chunk = Chunk("s", "m", 0, "a")
    await store.number_save_and_publish(chunk)
    await store.append(chunk)
    for key in ("chat:history:s", "chat:seq:s", "chat:stream:s"):
        assert 0 < await store.link.send("PTTL", key) <= 60_000
    await store.close()


async def test_many_heads_at_once(store_url: str) -> None:
    store = await Store.open(store_url)
    await store.next_seq("a")
    assert await store.heads(["a", "b"]) == [1, 0]
    assert await store.heads([]) == []
    await store.close()


async def test_a_refused_command_inside_a_transaction_is_an_error(store_url: str) -> None:
    store = await Store.open(store_url)
    await store.link.send("SET", "chat:history:s", "no list")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await store.save(Chunk("s", "m", 0, "a", seq=1))
    await store.close()
