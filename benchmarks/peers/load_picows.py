"""A load-test client on picows and uvloop: each chunk decoded (msgspec) and checked for gaps.

python load_picows.py PORT PLAN     # PLAN: benchmarks/load_generators.py's, as JSON
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class Frame(msgspec.Struct):
    type: str
    seq: int = 0


decode = msgspec.json.Decoder(Frame).decode


class Reader(WSListener):
    """`over` has the number of chunks when the server has closed."""

    def __init__(self) -> None:
        super().__init__()
        self.next_seq = 1
        self.over = asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            got = decode(frame.get_payload_as_memoryview())
            if got.type == "chunk":
                if got.seq != self.next_seq:
                    raise SystemExit(f"chunk {got.seq} for {self.next_seq}")
                self.next_seq += 1
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.over.done():
            self.over.set_result(self.next_seq - 1)


async def read(url: str) -> int:
    _, reader = await ws_connect(Reader, url)
    return await reader.over


def rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 2**20


async def main(port: str, plan: dict[str, float]) -> None:
    address = f"ws://127.0.0.1:{port}"
    await read(f"{address}/100/20/0")
    base_mib = rss_mib()
    idle = [await ws_connect(Reader, f"{address}/1/1/600") for _ in range(plan["idle"])]
    idle_mib = rss_mib() - base_mib
    for transport, _ in idle:
        transport.disconnect(graceful=False)
    chunks, connections = plan["trickle_chunks"], plan["trickle_connections"]
    began = time.process_time()
    url = f"{address}/{chunks}/1/{plan['trickle_interval_s']}"
    counts = await asyncio.gather(*(read(url) for _ in range(connections)))
    trickle_s = time.process_time() - began
    assert counts == [chunks] * connections, counts

    began = time.process_time()
    assert await read(f"{address}/{plan['burst_chunks']}/{plan['burst_size']}/0")
    burst_s = time.process_time() - began

    began = time.process_time()
    for _ in range(plan["connects"]):
        await read(f"{address}/0/1/0")
    connect_s = time.process_time() - began

    found = {
        "trickle_us": 1e6 * trickle_s / (connections * chunks),
        "burst_us": 1e6 * burst_s / plan["burst_chunks"],
        "connect_ms": 1e3 * connect_s / plan["connects"],
        "base_mib": base_mib,
        "idle_kib": 2**10 * idle_mib / len(idle),
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], json.loads(sys.argv[2])))
