"""A node is asked RFC 6455's cases by a raw client: tests/rfc6455_cases.py."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from node_kit import DEADLINE_S, RunningNode
from rfc6455_cases import (
    BINARY,
    CLOSE,
    CLOSES,
    FATAL,
    PINGS,
    PONG,
    RIGHT,
    TEXT,
    Sent,
    close_code,
    frames_of,
)

from benchmarks.bad_inputs import handshake
from chunk7.wire.frames import decode_server_frame

pytestmark = pytest.mark.clocked

LAST = Sent(CLOSE, b"\x03\xe8")


async def answers(node: RunningNode, sent: Sequence[Sent]) -> list[tuple[int, bytes]]:
    """All that a node answers to these frames, from after its welcome to its close frame."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    async with asyncio.timeout(DEADLINE_S):
        writer.write(handshake("s", "ordering=buffered_merge"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"".join(frame.of(client=True) for frame in sent))
        whole = await reader.read()
    writer.close()
    return frames_of(_taker(whole))


def _taker(whole: bytes) -> Any:
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        return whole[at - count : at]

    return take


def kinds(frames: list[tuple[int, bytes]]) -> list[str]:
    """The node's own words, heartbeats left out."""
    words = [
        type(decode_server_frame(payload)).__name__.removesuffix("Frame").lower()
        for opcode, payload in frames
        if opcode == TEXT
    ]
    return [word for word in words if word != "heartbeat"]


@pytest.mark.parametrize("case", RIGHT)
async def test_a_right_message_is_taken_however_it_comes(node: RunningNode, case: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(handshake("s", "ordering=buffered_merge"))
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"".join(frame.of(client=True) for frame in RIGHT[case]))
    got = b""
    async with asyncio.timeout(DEADLINE_S):
        while got.count(b'"type":"history"') < 2:  # the join's, and the answer
            got += await reader.read(65_536)
    assert b'"error"' not in got
    writer.close()


@pytest.mark.parametrize("case", PINGS)
async def test_a_ping_is_answered_with_its_bytes(node: RunningNode, case: str) -> None:
    assert (PONG, b"ping") in await answers(node, [*PINGS[case], LAST])


@pytest.mark.parametrize("case", FATAL)
async def test_what_breaks_the_protocol_ends_the_connection(node: RunningNode, case: str) -> None:
    sent, code = FATAL[case]
    opcode, payload = (await answers(node, sent))[-1]
    assert (opcode, close_code(payload)) == (CLOSE, code)


@pytest.mark.parametrize("case", CLOSES)
async def test_a_close_is_answered_with_its_code(node: RunningNode, case: str) -> None:
    sent, code = CLOSES[case]
    opcode, payload = (await answers(node, [sent]))[-1]
    assert (opcode, close_code(payload)) == (CLOSE, code)


async def test_after_its_close_frame_a_client_is_not_heard(node: RunningNode) -> None:
    after = [LAST, Sent(TEXT, b"no JSON"), Sent(BINARY, b"x")]
    frames = await answers(node, after)
    assert "error" not in kinds(frames)
    assert close_code(frames[-1][1]) == 1000
