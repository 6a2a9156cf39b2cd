"""The Autobahn test suite against chunk7's two WebSocket ends, as echoes: `make autobahn`.

python -m benchmarks.autobahn --wstest PATH [--cases '1.*' ...] [--json]

`wstest` is the suite's own program, for Python 2.7. The node's end: its `NodeConnection` and
`Client`, for longer messages and more frames, which send back what comes. The load test's end:
`loadtest/targets/websocket.py`. Left out are 12 and 13, compression, which neither of them offers.
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode

from chunk7.cluster.deployments.probes import free_ports
from chunk7.loadtest.targets import websocket
from chunk7.loadtest.targets.errors import Closed, ConnectFailed
from chunk7.loadtest.targets.incoming import Incoming, Payload
from chunk7.nodes.door import Door
from chunk7.nodes.transports import connection, frame_limit
from chunk7.nodes.transports.connection import NodeConnection
from chunk7.nodes.transports.reading import read_buffer
from chunk7.nodes.transports.websocket import Client, text_frame

HOST = "127.0.0.1"
LEFT_OUT = ["12.*", "13.*"]
LONGEST_MESSAGE_BYTES = 64 << 20
CASE_WITHIN_S = 100.0
SUITE_WITHIN_S = 1_800.0
START_WITHIN_S = 20.0
STARTS = "the suite did not begin to listen"
HEAD = """\
| end | cases | OK | NON-STRICT | INFORMATIONAL | UNIMPLEMENTED | FAILED |
|---|---|---|---|---|---|---|"""
VERDICTS = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED")

OTHERWISE = {
    "7.1.5": "`websockets` answers a close within an unfinished message with 1002, not with 1000",
    "9.1.6": "a user gives up what a server has not taken after 1 s; it sends short frames only",
    "9.3.1": "more fragments of one message than a node takes: 1009",
    "9.3.2": "the same",
    "9.4.1": "the same",
    "9.4.2": "the same",
}
"""Cases that we know to fail, and why that may stay so."""

Cases = dict[str, dict[str, str]]
"""By number of the case: `behavior`, and `behaviorClose` of how the connection was closed."""


# --- the node's end ---


async def node_end(wstest: Path, cases: Sequence[str], folder: Path) -> Cases:
    """Serve the suite's client with the node's transport."""
    connection.MAX_MESSAGE_BYTES, frame_limit.BURST_FRAMES = LONGEST_MESSAGE_BYTES, float("inf")
    door, echoes = Door[NodeConnection](100), set[asyncio.Task[None]]()

    def begin(accepted: NodeConnection) -> None:
        echoes.add(asyncio.create_task(_echo(accepted)))

    loop, read_into = asyncio.get_running_loop(), read_buffer()
    async with await loop.create_server(
        lambda: NodeConnection(door, lambda _connection, _request: None, begin, read_into), HOST, 0
    ) as server:
        port = server.sockets[0].getsockname()[1]
        specification = {
            "outdir": str(folder / "node"),
            "servers": [{"agent": "node", "url": f"ws://{HOST}:{port}"}],
            "cases": cases,
            "exclude-cases": LEFT_OUT,
        }
        command = _command(wstest, "fuzzingclient", specification, folder)
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
        try:
            await asyncio.wait_for(process.wait(), SUITE_WITHIN_S)
        finally:
            if process.returncode is None:
                process.kill()
    return _verdicts(folder / "node", "node")


async def _echo(accepted: NodeConnection) -> None:
    client = Client(accepted, 0, "suite", LONGEST_MESSAGE_BYTES, lambda _: None)
    while (message := await accepted.inbox.take()) is not None:
        if isinstance(message, str):
            client.write(text_frame(message.encode()))
        else:  # a node has no use for it, and closes; the suite wants it back
            client.write(Frame(Opcode.BINARY, message).serialize(mask=False))


# --- the load test's end ---


class Telling(Incoming):
    """Remembers which of the messages that are ready is binary, by its identity."""

    __slots__ = ("binary",)

    def __init__(self, protocol: ClientProtocol) -> None:
        super().__init__(protocol)
        self.binary: set[int] = set()

    def _add(self, message: Payload, text: bool) -> None:
        if not text:
            self.binary.add(id(message))
        super()._add(message, text)


class Echo(websocket.WebSocket):
    """A load-test connection that sends back text as text."""

    __slots__ = ()
    _incoming: Telling

    def __init__(self, raw: Any, protocol: Any) -> None:
        super().__init__(raw, protocol)
        self._incoming = Telling(protocol)

    def echo(self) -> None:
        """Send everything back until the connection is closed."""
        binary = self._incoming.binary
        with contextlib.suppress(Closed):
            while True:
                for message in self.receive(time.monotonic() + CASE_WITHIN_S):
                    if id(message) not in binary:
                        self.send(bytes(message))
                    else:
                        self._incoming.protocol.send_binary(message)
                        self._write()
                binary.clear()
        self.close()


def load_end(wstest: Path, cases: Sequence[str], folder: Path) -> Cases:
    """Be the client of the suite's server."""
    [port] = free_ports(1)
    url = f"ws://{HOST}:{port}"
    specification = {
        "url": url,
        "outdir": str(folder / "load"),
        "cases": cases,
        "exclude-cases": LEFT_OUT,
    }
    websocket.WebSocket = Echo  # type: ignore[misc]  # what `connect` makes
    command = [*_command(wstest, "fuzzingserver", specification, folder), "--webport", "0"]
    with _running(command):
        [[count]] = [_ask(url, "/getCaseCount")]
        for case in range(1, int(bytes(count)) + 1):
            connection = websocket.connect(f"{url}/runCase?case={case}&agent=load", _soon())
            assert isinstance(connection, Echo)
            connection.echo()
        connection = websocket.connect(f"{url}/updateReports?agent=load", _soon())
        connection.echo()
    return _verdicts(folder / "load", "load")


def _ask(url: str, path: str) -> list[Payload]:
    """The answer, once somebody listens."""
    deadline_s = time.monotonic() + START_WITHIN_S
    while True:
        try:
            connection = websocket.connect(url + path, _soon())
            break
        except ConnectFailed:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)  # poll, bounded by the deadline
    answer = connection.receive(_soon())
    connection.close()
    return answer


def _soon() -> float:
    return time.monotonic() + CASE_WITHIN_S


# --- the suite ---


def _command(wstest: Path, mode: str, specification: dict[str, Any], folder: Path) -> list[str]:
    path = folder / f"{mode}.json"
    path.write_text(json.dumps(specification))
    return [str(wstest), "--mode", mode, "--spec", str(path)]


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def _verdicts(outdir: Path, agent: str) -> Cases:
    cases: Cases = json.loads((outdir / "index.json").read_text())[agent]
    return cases


def row(end: str, cases: Cases) -> str:
    """A row of the table."""
    counts = Counter(case["behavior"] for case in cases.values())
    return f"| {end} | {len(cases)} | " + " | ".join(f"{counts[v]}" for v in VERDICTS) + " |"


def failed(cases: Cases) -> list[str]:
    """What an end does otherwise than the suite wants, one line a case."""
    return [
        f"{number}: {OTHERWISE.get(number, 'FAILED')}"
        for number, case in cases.items()
        if case["behavior"] == "FAILED" or case["behaviorClose"] == "FAILED"
    ]


def main() -> int:
    """Run the suite against both ends; exit code 1 when another case fails than OTHERWISE has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wstest", type=Path, required=True)
    parser.add_argument("--cases", nargs="+", default=["*"])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ends = {
            "node": asyncio.run(node_end(given.wstest, given.cases, folder)),
            "load test": load_end(given.wstest, given.cases, folder),
        }
    wrong = {end: failed(cases) for end, cases in ends.items()}
    if given.json:
        counts = {end: Counter(case["behavior"] for case in c.values()) for end, c in ends.items()}
        print(json.dumps({"counts": counts, "failed": wrong}))
    else:
        print(HEAD)
        for end, cases in ends.items():
            print(row(end, cases))
        for end, lines in wrong.items():
            print(*(f"{end}: {line}" for line in lines), sep="\n", end="\n" if lines else "")
    return 1 if any(line.endswith("FAILED") for lines in wrong.values() for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
