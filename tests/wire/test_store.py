"""The store in memory and a real server answer the same script with the same history."""

import asyncio
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chunk7.delivery.chunk import Chunk, history_key, seq_key, stream_key
from chunk7.delivery.cursor import EntryId, cursor_of, entry_id
from chunk7.delivery.effects import BEGINNING, NEWEST, Cursor
from chunk7.delivery.errors import OrderingError, StoreError
from chunk7.delivery.store import MemoryStore
from chunk7.wire.frames import decode_chunk, encode_chunk
from chunk7.wire.store.epochs import Epochs
from chunk7.wire.store.heads import heads_and_epochs
from chunk7.wire.store.link import Link
from chunk7.wire.store.reconnect import run_id
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked

LIST = (
    "next_seq",
    "begin",
    "clear",
    "publish",
    "save",
    "save_and_publish",
    "number_save_and_publish",
    "history",
    "head",
    "subscribe",
    "unsubscribe",
    "trim",
    "expire",
)
STREAM = (
    *("append", "append_same_ms", "stream", "xread", "tail", "entries_with_ids") * 3,
    "clear",
    "trim",
    "trim",
    "expire",
)
Step = tuple[str, str, int]
"""A command, the session, and a number that its arguments are made of."""
Script = list[Step]
SESSIONS = ("a", "b")
SUBSCRIBERS = ("one", "two")


def scripts_of(*commands: str) -> st.SearchStrategy[Script]:
    """Mostly about one session, so that its commands meet."""
    steps = st.tuples(st.sampled_from(commands), st.sampled_from("aaab"), st.integers(0, 99))
    return st.lists(steps, min_size=8, max_size=40)


scripts = scripts_of(*LIST) | scripts_of(*STREAM) | scripts_of(*LIST, *STREAM)


def chunk_of(step: Step, place: int) -> Chunk:
    """A step's chunk; numbers come again, and there is 0, which is none."""
    return Chunk(step[1], "m", place, f"text {place} é", place % 2 == 0, step[2] % 4)


def bounds_of(step: Step) -> tuple[int, int | None]:
    """after_seq and to_seq of a history read."""
    return step[2] % 4, (None, 0, 1, 3)[step[2] // 4 % 4]


def cursor_from(newest: Cursor, number: int) -> Cursor:
    """One of the session's cursors, or one that somebody made up, or none at all."""
    milliseconds, serial = entry_id(newest)
    made_up = (
        newest,
        BEGINNING,
        NEWEST,
        f"{milliseconds}-{serial + 1}",
        f"{milliseconds}-{max(0, serial - 1)}",
        f"{milliseconds}",
        f"{milliseconds + 1}",
        f"{max(0, milliseconds - 1)}-{serial + 1}",
        f"{milliseconds + 1}-7",
        "0",
        "18446744073709551615",
        "abc",
        "5-",
        "+",
        "-",
        "18446744073709551616",
        "18446744073709551615-18446744073709551615",
    )
    return made_up[number % len(made_up)]


class InMemory:
    """A script's answers, each step's and at the end what every subscriber was sent."""

    def __init__(self, script: Script, max_entries: int | None) -> None:
        self.store = MemoryStore(max_entries)
        self.newest = dict.fromkeys(SESSIONS, BEGINNING)
        """The last id that was given out, whether or not its entry and its key are still there."""
        self.cursors: list[Cursor] = []
        """Of each step: what it appended as, or was to read after."""
        self.answers: list[Any] = []
        for place, step in enumerate(script):
            self.cursors.append(cursor_from(self.newest[step[1]], step[2]))
            try:
                answer = self._take(step, place)
            except OrderingError:
                answer = "refused"
            if step[0].startswith("append"):
                self.cursors[-1] = self.newest[step[1]] = answer
            self.answers.append(answer)
        self.answers += [list(self.store.mailboxes[name]) for name in SUBSCRIBERS]

    def _take(self, step: Step, place: int) -> Any:
        store, (name, session, number) = self.store, step
        match name:
            case "next_seq" | "head" | "tail" | "begin" | "clear":
                return getattr(store, name)(session)
            case "entries_with_ids":
                return store.entries_with_ids(session, self.cursors[-1])
            case "append_same_ms":
                return store.append(chunk_of(step, place), same_ms=True)
            case "history":
                return store.history(session, *bounds_of(step))
            case "stream":
                return store.stream(session, self.cursors[-1])
            case "xread":
                after = (self.newest[session], BEGINNING)[number % 2]
                return [store.stream(each, after).chunks for each in SESSIONS]
            case "subscribe" | "unsubscribe":
                return getattr(store, name)(SUBSCRIBERS[number % 2], session)
            case "trim":
                return store.trim(session, number % 3 + 1)
            case "expire":
                return store.expire(session)
        return getattr(store, name)(chunk_of(step, place))


class OnServer:
    """The same script on a real server; appended entries are given the ids of the model's."""

    def __init__(self, store: Store, cursors: list[Cursor]) -> None:
        self._store = store
        self._cursors = cursors
        self._newest = dict.fromkeys(SESSIONS, BEGINNING)
        self._subscribers: dict[str, Link] = {}
        self._pushes: dict[str, asyncio.Queue[Any]] = {
            name: asyncio.Queue() for name in SUBSCRIBERS
        }
        self._received: dict[str, list[Chunk]] = {name: [] for name in SUBSCRIBERS}

    async def run(self, url: str, script: Script) -> list[Any]:
        await self._store.link.send("FLUSHALL")
        for name in SUBSCRIBERS:
            self._subscribers[name] = await Link.open(url, on_push=self._pushes[name].put_nowait)
        answers = []
        for place, step in enumerate(script):
            try:
                answers.append(await self._take(step, place))
            except OrderingError:
                answers.append("refused")
        for name in SUBSCRIBERS:
            await self._ask(name, "subscribe", "end of script")
            await self._subscribers[name].close()
        return [*answers, *self._received.values()]

    async def _take(self, step: Step, place: int) -> Any:
        store, (name, session, number) = self._store, step
        match name:
            case "next_seq" | "head" | "tail" | "begin" | "clear":
                return await getattr(store, name)(session)
            case "entries_with_ids":
                return await store.entries_with_ids(session, self._cursors[place])
            case "append" | "append_same_ms":
                self._newest[session] = self._cursors[place]
                return await store.append(chunk_of(step, place), self._cursors[place])
            case "history":
                return await store.history(session, *bounds_of(step))
            case "stream":
                return await store.stream(session, self._cursors[place])
            case "xread":
                return await self._xread((self._newest[session], BEGINNING)[number % 2])
            case "subscribe" | "unsubscribe":
                return await self._ask(SUBSCRIBERS[number % 2], name, stream_key(session))
            case "trim":
                await store.link.send("LTRIM", history_key(session), -(number % 3) - 1, -1)
                await store.link.send("XTRIM", stream_key(session), "MAXLEN", "=", number % 3 + 1)
                return None
            case "expire":
                for key in (history_key, stream_key, seq_key):
                    await store.link.send("PEXPIRE", key(session), 0)
                return None
        return await getattr(store, name)(chunk_of(step, place))

    async def _xread(self, after: Cursor) -> list[tuple[Chunk, ...]]:
        """What a node's reader does: one XREAD over several streams."""
        keys = [stream_key(session) for session in SESSIONS]
        reply = await self._store.link.send("XREAD", "STREAMS", *keys, after, after)
        found = {key.decode(): entries for key, entries in reply or ()}
        return [tuple(decode_chunk(fields[1]) for _, fields in found.get(key, ())) for key in keys]

    async def _ask(self, name: str, command: str, channel: str) -> None:
        self._subscribers[name].push(command.upper(), channel)
        while (push := await asyncio.wait_for(self._pushes[name].get(), 10))[0] != command.encode():
            self._received[name].append(decode_chunk(push[2]))


async def on_a_server(url: str, script: Script, max_entries: int | None) -> list[Any]:
    """The script's answers from a real server."""
    store = await Store.open(url, stream_max_entries=max_entries)
    try:
        return await OnServer(store, InMemory(script, max_entries).cursors).run(url, script)
    finally:
        await store.close()


@given(scripts, st.sampled_from([None, 0, 1, 2]))
@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_memory_and_server_give_the_same_history(
    store_url: str, script: Script, max_entries: int | None
) -> None:
    expected = InMemory(script, max_entries).answers
    assert asyncio.run(on_a_server(store_url, script, max_entries)) == expected


def test_a_literal_history_on_both(store_url: str) -> None:
    script = [
        ("number_save_and_publish", "a", 0),
        ("subscribe", "a", 0),
        ("next_seq", "a", 0),
        ("publish", "a", 3),
        ("history", "a", 1),
        ("history", "a", 0),
    ]
    first = Chunk("a", "m", 0, "text 0 é", True, 1)
    fourth = Chunk("a", "m", 3, "text 3 é", False, 3)
    expected = [(1, 0), None, 2, 1, (), (first,), [fourth], []]
    assert InMemory(script, None).answers == expected
    assert asyncio.run(on_a_server(store_url, script, None)) == expected


BURST = b"""
local ids = {}
for place, payload in ipairs(ARGV) do
  ids[place] = redis.call('XADD', KEYS[1], '*', 'chunk', payload)
end
return ids
"""


async def append_bursts(store: Store, bursts: list[int]) -> list[EntryId]:
    """Append that many entries in one script each, as the server's own clock numbers them."""
    ids, index = [], 0
    for size in bursts:
        payloads = [encode_chunk(Chunk("s", "m", index + i, "t")) for i in range(size)]
        index += size
        ids += await store.link.send("EVAL", BURST, 1, stream_key("s"), *payloads)
    return [entry_id(answer.decode()) for answer in ids]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_entries_of_one_millisecond_have_the_same_serials_on_both(
    store_url: str, bursts: list[int]
) -> None:
    """One script has one clock, so a burst is of one millisecond: MS-0, MS-1, ..."""

    async def body() -> None:
        store = await Store.open(store_url)
        await store.link.send("FLUSHALL")
        real = await append_bursts(store, bursts)
        memory, modelled = MemoryStore(), []
        for index, (milliseconds, _) in enumerate(real):
            same_ms = index > 0 and milliseconds == real[index - 1][0]
            cursor = memory.append(Chunk("s", "m", index, "t"), same_ms=same_ms)
            modelled.append(entry_id(cursor))
        assert [serial for _, serial in modelled] == [serial for _, serial in real]
        for ours, theirs in zip(modelled, real, strict=True):
            for step in (0, 1):  # a cursor that was given, and the next that somebody makes up
                got = memory.stream("s", cursor_of((ours[0], ours[1] + step)))
                gets = await store.stream("s", cursor_of((theirs[0], theirs[1] + step)))
                assert got.chunks == gets.chunks
        await store.close()

    asyncio.run(body())


@given(st.text("0123456789-+$ *x", max_size=24) | st.from_regex(r"[0-9]{1,20}(-[0-9]{1,20})?"))
@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_cursor_that_we_take_is_one_that_the_server_takes(store_url: str, text: str) -> None:
    try:
        entry_id(text)
    except OrderingError:
        return  # refused everywhere, by the same line; the server takes " 5" and "+5", we do not

    async def body() -> None:
        link = await Link.open(store_url)
        assert await link.send("XRANGE", "no such stream", f"({text}", "+") == []
        assert await link.send("XREAD", "STREAMS", "no such stream", text) is None
        await link.close()

    asyncio.run(body())


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


async def test_many_heads_at_once_each_with_its_epoch(store_url: str) -> None:
    store = await Store.open(store_url, epochs=Epochs(lambda: "e1"))
    await store.next_seq("a")
    assert await heads_and_epochs(store, ["a", "b"]) == [(1, "e1"), (0, None)]
    assert await heads_and_epochs(store, []) == []
    await store.close()


async def test_a_refused_command_inside_a_transaction_is_an_error(store_url: str) -> None:
    store = await Store.open(store_url)
    await store.link.send("SET", "chat:history:s", "no list")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await store.save(Chunk("s", "m", 0, "a", seq=1))
    await store.close()


async def test_a_server_is_known_by_its_run_id_unless_we_may_not_ask(store_url: str) -> None:
    store = await Store.open(store_url)
    known = await run_id(store.link)
    assert re.fullmatch("[0-9a-f]{40}", known)
    assert await run_id(store.link) == known
    await store.link.send("ACL", "SETUSER", "asker", "on", "nopass", "~*", "&*", "+@all", "-info")
    await store.link.send("AUTH", "asker", "any")
    assert await run_id(store.link) == ""
    await store.link.send("AUTH", "default", "any")
    await store.link.send("ACL", "DELUSER", "asker")
    await store.close()
