"""One chunk when it is told to: by every ordering, in every layout, all of it and in its order."""

import json
from typing import Any

import pytest
import redis

from chunk7.delivery.chunk import Chunk, history_key, stream_key
from chunk7.delivery.effects import Begin, Clear, NumberSaveAndPublish, Poke, Publish, Subscribe
from chunk7.delivery.errors import OrderingError, StoreError
from chunk7.delivery.ordering import WriteOrdering, WriteSteps, write_ordering
from chunk7.producer.stepping import ChunkProducer
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.frames import decode_chunk
from chunk7.wire.store.layout import OWN, Layout, TemplateLayout, Templates

pytestmark = pytest.mark.clocked

SESSION = "s1"
THEIRS = TemplateLayout(
    Templates(
        history="h:{session_id}",
        channel="c:{session_id}",
        stream="x:{session_id}",
        counter="n:{session_id}",
        payload={"n": "{seq}", "i": "{index}", "t": "{text}"},
        fields={"body": "{payload}", "at": "{index}"},
    )
)
DONE = {
    "publish_then_save": ["incr", "publish", "rpush"],
    "save_then_publish": ["incr", "rpush", "publish"],
    "atomic_multi": ["incr", "rpush", "publish"],
    "atomic_lua": ["incr", "rpush", "publish"],
    "stream_append": ["incr", "xadd"],
}
"""By ordering, what the store executes of a chunk, in its order, but for times to live."""


class Watched:
    """What a store executes and publishes from here on, by a client of the test's own."""

    def __init__(self, client: "redis.Redis[Any]", channel: str) -> None:
        self.client = client
        self._heard = client.pubsub(ignore_subscribe_messages=True)
        self._heard.subscribe(channel)
        self._heard.get_message(timeout=10)  # the confirmation
        self._monitor = client.monitor()
        self._monitor.__enter__()

    def commands(self) -> list[str]:
        """Everything that a producer's chunks consist of, by the commands' names."""
        self.client.echo("over")
        names = []
        for command in self._monitor.listen():
            name = command["command"].split()[0].lower()
            if name == "echo":
                break
            names.append(name)
        return [name for name in names if name in {"incr", "rpush", "publish", "xadd"}]

    def published(self) -> list[bytes]:
        """What subscribers were sent."""
        found = []
        while (message := self._heard.get_message(timeout=0.2)) is not None:
            found.append(message["data"])
        return found


async def written(
    url: str, layout: Layout, ordering: WriteOrdering, *texts: str
) -> tuple[list[Chunk], list[str], list[bytes]]:
    """(the chunks as they were numbered, the store's commands, what was published)."""
    with redis.Redis.from_url(url) as client:
        watched = Watched(client, layout.channel(SESSION))
        async with ChunkProducer(url, layout, ordering, SESSION, 60) as producer:
            chunks = [await producer.write(text) for text in texts]
        return chunks, watched.commands(), watched.published()


@pytest.mark.parametrize("name", WRITE_ORDERINGS)
async def test_a_chunk_is_all_of_its_commands_in_their_order(store_url: str, name: str) -> None:
    chunks, commands, published = await written(store_url, OWN, WRITE_ORDERINGS[name], "a", "b")
    assert chunks == [
        Chunk(SESSION, "s1-m", index, text, seq=index + 1) for index, text in enumerate("ab")
    ]
    assert commands == DONE[name] * 2
    with redis.Redis.from_url(store_url) as client:
        if name == "stream_append":
            saved = [fields[b"chunk"] for _, fields in client.xrange(stream_key(SESSION))]
        else:
            saved = client.lrange(history_key(SESSION), 0, -1)
            assert list(map(decode_chunk, published)) == chunks
        assert list(map(decode_chunk, saved)) == chunks


@pytest.mark.parametrize("name", WRITE_ORDERINGS)
async def test_it_writes_as_somebody_elses_back_end_reads(store_url: str, name: str) -> None:
    await written(store_url, THEIRS, WRITE_ORDERINGS[name], "a", "b")
    with redis.Redis.from_url(store_url) as client:
        if name == "stream_append":
            saved = [fields[b"body"] for _, fields in client.xrange("x:s1")]
            assert [fields[b"at"] for _, fields in client.xrange("x:s1")] == [b"0", b"1"]
        else:
            saved = client.lrange("h:s1", 0, -1)
            assert 0 < client.ttl("h:s1") <= 60
        assert client.get("n:s1") == b"2"
    assert list(map(json.loads, saved)) == [
        {"n": 1, "i": 0, "t": "a"},
        {"n": 2, "i": 1, "t": "b"},
    ]


async def test_a_write_that_the_store_refuses_is_raised(store_url: str) -> None:
    with redis.Redis.from_url(store_url) as client:
        client.set(history_key(SESSION), "no list")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await written(store_url, OWN, WRITE_ORDERINGS["save_then_publish"], "a")


@write_ordering()
def subscribes(chunk: Chunk) -> WriteSteps:
    """Asks for what only a node can do."""
    yield Subscribe()  # type: ignore[misc]


@write_ordering()
def strays(chunk: Chunk) -> WriteSteps:
    """Publishes to somebody else's session."""
    yield Publish(Chunk("other", chunk.message_id, 0, "x", seq=1))


@pytest.mark.parametrize(
    ("ordering", "line"),
    [(subscribes, "is no effect of a write"), (strays, "is no chunk of the session s1")],
)
async def test_what_no_ordering_may_do_is_refused(
    store_url: str, ordering: WriteOrdering, line: str
) -> None:
    with pytest.raises(OrderingError, match=line):
        await written(store_url, OWN, ordering, "a")


@write_ordering()
def clears_at_the_second(chunk: Chunk) -> WriteSteps:
    if chunk.index == 1:
        yield Clear()
    yield NumberSaveAndPublish(chunk)


@write_ordering()
def begins_at_the_second(chunk: Chunk) -> WriteSteps:
    if chunk.index == 1:
        yield Begin()
    yield NumberSaveAndPublish(chunk)


@pytest.mark.parametrize(
    ("ordering", "seq"),
    [(clears_at_the_second, 2), (begins_at_the_second, 1)],
    ids=["clear", "begin"],
)
async def test_a_key_is_used_again_with_its_numbers_or_without(
    store_url: str, ordering: WriteOrdering, seq: int
) -> None:
    async with ChunkProducer(store_url, OWN, ordering, SESSION, 60) as producer:
        await producer.write("one")
        await producer.write("two")
    with redis.Redis.from_url(store_url) as client:
        [kept] = client.lrange(history_key(SESSION), 0, -1)
    assert (decode_chunk(kept).text, decode_chunk(kept).seq) == ("two", seq)


@write_ordering()
def pokes(chunk: Chunk) -> WriteSteps:
    yield Poke()


async def test_a_live_producer_does_not_poke(store_url: str) -> None:
    async with ChunkProducer(store_url, OWN, pokes, SESSION, 60) as producer:
        with pytest.raises(OrderingError, match="does not perform Poke: nodes have no notices"):
            await producer.write("one")
