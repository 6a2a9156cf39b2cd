"""A judge's documents, a judge that answers them, and Locust with its web UI in this process."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUG = {
    "connect": "history_then_subscribe",
    "write": "publish_then_save",
    "connections": 1_200,
    "lossy_connections": 30,
    "loss_rate": 0.025,
    "loss_rate_low": 0.0175,
    "loss_rate_high": 0.0355,
    "chunks_expected": 40_000,
    "chunks_delivered": 39_964,
    "chunks_unexpected": 0,
    "chunks_fetched": 0,
    "rewinds": 0,
    "chunks_lost": 34,
    "chunks_duplicate": 0,
    "chunks_out_of_order": 0,
    "chunks_undetermined": 2,
    "chunks_lost_predicted": 31.25,
    "chunks_lost_predicted_low": 20.0,
    "chunks_lost_predicted_high": 45.5,
    "window_ms": {"p50": 0.5, "p95": 1.25, "p99": 2.0},
    "gap_ms": {"p50": None, "p95": None, "p99": None},
    "join_ms": {"p50": 3.0, "p95": 4.0, "p99": 5.0},
    "causes": {"handover_gap": 34},
}
FIX = {
    "connect": 'own "fix", <b>',
    "write": "atomic_lua",
    "connections": 40,
    "lossy_connections": 0,
    "loss_rate": 0.0,
    "loss_rate_low": 0.0,
    "loss_rate_high": 0.0876,
    "chunks_expected": 1_000,
    "chunks_delivered": 1_000,
    "chunks_unexpected": 0,
    "chunks_fetched": 0,
    "rewinds": 0,
    "chunks_lost": 0,
    "chunks_duplicate": 12,
    "chunks_out_of_order": 3,
    "chunks_undetermined": 0,
    "chunks_lost_predicted": 0.0,
    "chunks_lost_predicted_low": 0.0,
    "chunks_lost_predicted_high": 0.0,
    "window_ms": {"p50": None, "p95": None, "p99": None},
    "gap_ms": {"p50": None, "p95": None, "p99": None},
    "join_ms": {"p50": 3.0, "p95": 4.0, "p99": 5.0},
    "causes": {},
}


def judged(**changes: Any) -> dict[str, Any]:
    """The judge's document of a valid test of two orderings, with fields changed."""
    return {
        "schema": 1,
        "state": "running",
        "round": 3,
        "from_round": 2,
        "rounds": 2,
        "rounds_forgotten": 0,
        "valid": True,
        "invalid_because": [],
        "judged_at_unix_s": 1_000.0,
        "lag_s": 0.75,
        "results": [BUG, FIX],
        "history": [],
    } | changes


class Courtroom:
    """A judge over HTTP: `body` is what it answers, `asked` the paths it was asked for."""

    def __init__(self) -> None:
        self.body = json.dumps(judged()).encode()
        self.asked: list[str] = []
        self.url = ""
        self.release = threading.Event()
        self.release.set()


@contextmanager
def courtroom() -> Iterator[Courtroom]:
    """A Courtroom on a free port; clear its `release` to have it keep silent."""
    room = Courtroom()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            room.asked.append(self.path)
            room.release.wait(10)
            self.send_response(200)
            self.send_header("Content-Length", str(len(room.body)))
            self.end_headers()
            self.wfile.write(room.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    room.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield room
    finally:
        room.release.set()
        server.shutdown()
        server.server_close()
