"""A client that floods the node with frames is closed, and slows nobody for longer than that."""

import asyncio

import pytest
from node_kit import DEADLINE_S, RunningNode
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from chunk7.nodes.transports.frame_limit import BURST_FRAMES

pytestmark = pytest.mark.clocked

FLOODS = {
    "pings": Frame(Opcode.PING, b"x" * 125),
    "empty fragments": Frame(Opcode.TEXT, b"", fin=False),
    "pongs": Frame(Opcode.PONG, b""),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_of_frames_ends_the_connection(node: RunningNode, flood: str) -> None:
    """Each ping was answered, as fast as they came, for as long as they came."""
    frame = FLOODS[flood].serialize(mask=True)
    rest = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True)
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        transport = user.connection.transport
        following = rest if flood == "empty fragments" else frame
        transport.write(frame + following * int(BURST_FRAMES + 100))
        assert await user.closed() == (1008, "too many frames")


async def test_a_client_that_asks_a_lot_within_the_limit_stays(node: RunningNode) -> None:
    async with node.client("sequence_gap_fill") as user:
        await user.frames(2)
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(int(BURST_FRAMES) - 10):
                await user.connection.ping()
            await (await user.connection.ping())
        assert user.connection.close_code is None


async def test_others_are_served_meanwhile(node: RunningNode) -> None:
    ping = FLOODS["pings"].serialize(mask=True)
    async with node.client("buffered_merge") as flooding, node.client("buffered_merge") as other:
        await flooding.frames(2)
        await other.frames(2)
        flooding.connection.transport.write(ping * 20_000)
        async with asyncio.timeout(DEADLINE_S):
            await (await other.connection.ping())
        with pytest.raises(ConnectionClosed):
            await flooding.connection.recv()
