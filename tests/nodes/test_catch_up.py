"""A client that joins a stream which others follow: what lies between its cursor and theirs."""

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from chunk7.delivery.chunk import stream_key
from chunk7.delivery.errors import StoreError
from chunk7.nodes.feeds import stream as feeds
from chunk7.nodes.feeds.stream import FollowedStream, StreamFeed

ENTRIES = [
    (f"{seq}-0".encode(), [b"chunk", b'{"type":"chunk","seq":%d' % seq]) for seq in (1, 2, 3)
]


def followed_up_to(cursor: str, *answers: list[Any]) -> StreamFeed:
    """A feed whose reader has come so far, and whose store answers XRANGE so."""
    feed = StreamFeed(1 << 20, Mock(), Mock())
    feed._store = Mock()
    feed._store.link.send = AsyncMock(side_effect=answers)
    feed._streams[stream_key("s").encode()] = FollowedStream(cursor)
    return feed


def written(client: Mock) -> list[int]:
    return [int(call.args[0][-1:]) for call in client.write_live.call_args_list]


async def test_a_replica_that_lags_is_asked_again() -> None:
    """It was believed: whoever joined while the node read a replica lost what that lacked."""
    feed, client = followed_up_to("2-0", [], ENTRIES[:1], ENTRIES[:2]), Mock(session_id="s")
    await feed.follow(client, "0-0")
    assert written(client) == [1, 2]


async def test_what_came_after_the_readers_entry_comes_from_the_reader() -> None:
    feed, client = followed_up_to("2-0", ENTRIES), Mock(session_id="s")
    await feed.follow(client, "0-0")
    assert written(client) == [1, 2]


async def test_entries_that_were_trimmed_meanwhile_are_not_waited_for() -> None:
    feed, client = followed_up_to("2-0", ENTRIES[2:]), Mock(session_id="s")
    await feed.follow(client, "0-0")
    assert written(client) == []


async def test_a_replica_that_stays_behind_ends_the_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "CATCH_UP_TRIES", 2)
    feed = followed_up_to("2-0", [], [])
    with pytest.raises(StoreError, match="lacks an entry"):
        await feed.follow(Mock(session_id="s"), "0-0")
