"""`python -m chunk7.loadtest.asking`: makes a target start its answers, and keeps what they say.

It stands where the producer does when a target makes its answers itself: it takes a plan over the
same control API (docs/protocol.md), asks for every session's answer at the session's start, and
writes down what a client receives that was there from the beginning (`ask.reference` of the
adapter says which client). That is the truth of the run: tables `published` and `texts`.

When the target published a chunk nobody outside it can know, so `publish_sent_ns` is null. The
reference had it at `save_done_ns`: it was there no later than that.
"""

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import random  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import msgspec  # noqa: E402
import psutil  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

from chunk7.delivery.errors import Chunk7Error, UsageError  # noqa: E402
from chunk7.loadtest.health import HubLag  # noqa: E402
from chunk7.loadtest.targets.adapter import Adapter, read_adapter  # noqa: E402
from chunk7.loadtest.targets.producer_log import ProducerLog  # noqa: E402
from chunk7.loadtest.targets.reference import Reference, WrongAdapter  # noqa: E402
from chunk7.wire.clock import boot_id, now_ns  # noqa: E402
from chunk7.wire.options import Parser, listen_address  # noqa: E402
from chunk7.wire.origins import (  # noqa: E402
    READS,
    Origins,
    add_origins,
    json_refusal,
    origins_of,
)
from chunk7.wire.plan import Plan, SessionPlan, Timetable, check  # noqa: E402
from chunk7.wire.recorder import Recorder  # noqa: E402

STAGGER = 0.1
"""Sessions start in this first part of the cell, as the producer's do."""
FLUSH_S = 1.0
POLL_S = 0.02
"""How often a producer's log is looked at."""
logger = logging.getLogger("asking")

Respond = Callable[[str, list[tuple[str, str]]], object]


class Asking:
    """One timetable at a time, and the sessions' names as the target has given them."""

    def __init__(self, adapter: Adapter, recorder: Recorder, origins: Origins) -> None:
        self._adapter = adapter
        self._origins = origins
        self._recorder = recorder
        self._asked: list[gevent.Greenlet] = []
        self.timetable: Timetable | None = None
        self.names: dict[str, str] = {}
        self.failed: str | None = None
        """The one line of an adapter that cannot be used."""

    def take(self, plan: Plan) -> Timetable:
        """Stop what is under way, and ask for this plan's answers. Raises UsageError."""
        check(plan)
        self.stop()
        self.timetable = Timetable(
            plan=plan,
            epoch_ns=now_ns(),
            epoch_unix_ns=time.time_ns(),
            boot_id=boot_id(),
            sessions=[
                _session(plan, cell, session)
                for cell in range(len(plan.cells))
                for session in range(plan.sessions)
            ],
        )
        self._recorder.add(
            "events", at_ns=now_ns(), kind="order", detail=msgspec.json.encode(plan).decode()
        )
        assert self._adapter.ask is not None, "main has seen to it"
        rule = self._adapter.ask.log
        log = None if rule is None else ProducerLog(rule)
        self._asked = [
            gevent.spawn(self._ask, self.timetable, session, log)
            for session in self.timetable.sessions
        ]
        if log is not None:
            self._asked.append(gevent.spawn(self._poll, log))
        return self.timetable

    def stop(self) -> None:
        """Ask no more, and read no more."""
        gevent.killall(self._asked)
        self._asked, self.timetable = [], None

    def _ask(self, timetable: Timetable, session: SessionPlan, log: ProducerLog | None) -> None:
        cell = timetable.plan.cells[session.cell]
        until_ns = _instant_ns(timetable, timetable.plan.cell_gone_ms(session.cell))
        reference = Reference(self._adapter, self._recorder, session, cell.write, until_ns, log)
        try:
            reference.run(
                _instant_ns(timetable, session.start_ms),
                _instant_ns(timetable, session.end_ms),
                lambda name: self.names.__setitem__(session.session_id, name),
            )
        except WrongAdapter as error:
            self.failed = str(error)
        except Chunk7Error as error:
            logger.warning("%s: %s", session.session_id, error)
            self._recorder.add(
                "events",
                at_ns=now_ns(),
                kind="ask_failed",
                session_id=session.session_id,
                detail=str(error),
            )

    def _poll(self, log: ProducerLog) -> None:
        try:
            while True:  # until killed
                log.poll()
                gevent.sleep(POLL_S)
        except OSError as error:
            self.failed = f"{self._adapter.file}: ask.log.file: {error.strerror or error}"

    # --- the control API ---

    def answer(self, environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        """A WSGI application: POST, GET, DELETE /timetable; GET /session/ID; GET /healthz."""
        status, body = self._answer(environ)
        respond(status, [("Content-Type", "application/json")])
        return [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/healthz":
            return "200 OK", b"ok\n"
        foreign = self._origins.refusal(_headers(environ), method in READS)
        if foreign is not None:
            return "403 Forbidden", f"{foreign}\n".encode()
        if path.startswith("/session/"):
            name = self.names.get(path.removeprefix("/session/"))
            return ("404 Not Found", b"") if name is None else ("200 OK", name.encode())
        if path != "/timetable":
            return "404 Not Found", b"no such path\n"
        if method == "DELETE":
            self.stop()
            return "204 No Content", b""
        if method == "POST":
            if other := json_refusal(environ.get("CONTENT_TYPE", "")):
                return "415 Unsupported Media Type", f"{other}\n".encode()
            try:
                plan = msgspec.json.decode(environ["wsgi.input"].read(), type=Plan)
                return "200 OK", msgspec.json.encode(self.take(plan))
            except (msgspec.MsgspecError, UsageError) as error:
                return "400 Bad Request", f"{error}\n".encode()
        if self.timetable is None:
            return "404 Not Found", b"no timetable\n"
        return "200 OK", msgspec.json.encode(self.timetable)


def _headers(environ: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """WSGI's, under their own names (PEP 3333)."""
    return [
        (name.removeprefix("HTTP_").replace("_", "-"), value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]


def _session(plan: Plan, cell: int, session: int) -> SessionPlan:
    """From a seeded moment in the first tenth of its cell until the cell's end."""
    draw = random.Random(f"{plan.seed} ask {session}").random()
    start_ms = plan.cell_start_ms(cell)
    return SessionPlan(
        session_id=plan.session_id(cell, session),
        cell=cell,
        start_ms=start_ms + STAGGER * plan.duration_ms * draw,
        end_ms=start_ms + plan.duration_ms,
        chunks=0,  # the target alone knows
    )


def _instant_ns(timetable: Timetable, at_ms: float) -> int:
    return timetable.epoch_ns + round(at_ms * 1e6)


def main() -> int:
    """Serve until told to stop; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    parser = Parser(prog="asking", description="Asks a target for answers, and keeps them.")
    parser.add_argument("--target", type=Path, required=True, metavar="FILE")
    parser.add_argument("--target-ports", default="", metavar="P[,P]")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--records", type=Path, required=True, metavar="DIR")
    add_origins(parser)
    try:
        given = parser.parse_args()
        adapter = read_adapter(given.target, given.target_ports)
        if adapter.ask is None:
            raise UsageError(f"{given.target}: ask: is needed, to ask")
        origins = origins_of(listen_address(given.listen)[0], given)
        asking = Asking(adapter, recorder := Recorder(given.records, "reference"), origins)
        return _serve(asking, recorder, given.listen)
    except Chunk7Error as error:
        sys.stderr.write(f"asking: error: {error}\n")
        return error.exit_code


def _serve(asking: Asking, recorder: Recorder, listen: str) -> int:
    stop = gevent.event.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    server = WSGIServer(listen_address(listen), asking.answer, log=None)
    server.start()
    lag, process = HubLag(), psutil.Process()
    try:
        while not stop.wait(FLUSH_S) and asking.failed is None:
            row = (now_ns(), lag.take_ms(), process.memory_info().rss, len(asking.names))
            recorder.add_row("health", row)
            recorder.flush()
    finally:
        asking.stop()
        lag.stop()
        recorder.close()
        server.stop(0.2)
    if asking.failed is not None:
        raise UsageError(asking.failed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
