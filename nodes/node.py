"""The whole node: its parts put together, its periodic duties, and its orderly end."""

import asyncio
import contextlib
import os

from chunk7.delivery.chunk import stream_key
from chunk7.delivery.errors import StoreError, UsageError
from chunk7.nodes.backend import Backend
from chunk7.nodes.feeds.per_client import PerClientHub
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.feeds.stream import StreamFeed
from chunk7.nodes.heartbeat import beat
from chunk7.nodes.history_budget import HistoryBudget
from chunk7.nodes.listening import survive_full_tables
from chunk7.nodes.memory import MemoryReading
from chunk7.nodes.metrics import NodeMetrics
from chunk7.nodes.options import NodeOptions
from chunk7.nodes.recovery import Recoveries
from chunk7.nodes.roster import Roster
from chunk7.nodes.server import NodeServer
from chunk7.nodes.unheard import Unheard
from chunk7.nodes.visit import Services
from chunk7.wire.clock import measure_offset, now_ns
from chunk7.wire.lag import LagMonitor
from chunk7.wire.recorder import Recorder

HEALTH_EVERY_S = 1.0
CLOCK_TIMEOUT_S = 0.5
DRAIN_SHARE = 0.8
"""Of --drain-s, for clients to close; the rest is for cutting off those that did not."""
CUT_S = 0.1
"""What a cut takes at least until it is recorded, also with --drain-s 0."""
MAX_DETAIL = 100


class Node:
    """A relay node in the running event loop."""

    def __init__(self, options: NodeOptions) -> None:
        self._options = options
        self._recorder = Recorder(options.records, options.name)
        self._metrics = NodeMetrics(options.name, options.orderings)
        self._roster = Roster()
        max_buffer_bytes = options.max_outbox_kb * 1024
        callbacks = (max_buffer_bytes, self._on_message, self._on_bad_message)
        self._hub = (
            PerClientHub(options.redis, *callbacks)
            if options.subscriptions == "per-client"
            else Hub(*callbacks)
        )
        self._tail = StreamFeed(*callbacks)
        self._backend = Backend(
            options.redis,
            options.name,
            self._hub,
            self._tail,
            self._on_lost,
            self._on_back,
            self._metrics.store_round_trip.observe,
        )
        self._recoveries = Recoveries(
            self._hub,
            lambda session_id: self._backend.store.head(session_id),
            self._metrics.recoveries.inc,
        )
        self._unheard = Unheard(self._hub.heard, self._metrics.unheard.inc)
        self._server = NodeServer(
            Services(
                options,
                self._backend,
                self._hub,
                self._tail,
                self._roster,
                self._recorder,
                self._metrics,
                self._recoveries,
                HistoryBudget(options.max_history_mb << 20),
            )
        )
        self._lag = LagMonitor()

    async def run(self, stop: asyncio.Event, ready: "asyncio.Future[int]") -> None:
        """Serve until `stop` is set, then drain. `ready` becomes the port once clients may come.

        Raises UsageError (address, records folder), StoreUnreachable, StoreError, and whatever
        ends one of the node's duties.
        """
        _claim(self._options)
        survive_full_tables(self._options.name)
        await self._backend.open()
        duties: list[asyncio.Task[None]] = []
        try:
            server = await self._listen()
            await self._record_clock()
            duties = [
                asyncio.create_task(self._backend.run()),
                asyncio.create_task(self._health()),
                asyncio.create_task(self._server.keep_alive()),
                asyncio.create_task(
                    beat(
                        self._backend,
                        self._roster,
                        self._unheard,
                        self._recoveries,
                        self._options.heartbeat_ms / 1_000,
                    )
                ),
            ]
            self._lag.start()
            ready.set_result(server.sockets[0].getsockname()[1])
            stopping = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait([*duties, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            await self._drain(server)
            for duty in duties:
                if duty in done:
                    duty.result()
            await self._record_clock()
        finally:
            self._lag.stop()
            await self._end(duties)
            self._recorder.close()

    # --- beginning and end ---

    async def _listen(self) -> asyncio.Server:
        try:
            return await self._server.listen()
        except OSError as error:
            address = f"{self._options.host}:{self._options.port}"
            raise UsageError(f"--listen: {address}: {error.strerror or error}") from error

    async def _drain(self, server: asyncio.Server) -> None:
        """Send everybody elsewhere; whoever has not gone when most of --drain-s is over is cut."""
        self._server.draining = True
        self._record_event("drain", detail=f"{len(self._roster.everybody)} clients")
        closing = [client.close(1012, "drain") for client in self._roster.everybody]
        self._backend.interrupt("the node drains")
        if closing:
            await asyncio.wait(closing, timeout=DRAIN_SHARE * self._options.drain_s)
        for client in self._roster.everybody:
            client.abort()
        server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(CUT_S, (1 - DRAIN_SHARE) / 2 * self._options.drain_s)):
                await self._server.cut()

    async def _end(self, duties: "list[asyncio.Task[None]]") -> None:
        for duty in duties:
            duty.cancel()
        await asyncio.gather(*duties, return_exceptions=True)
        await self._backend.close()
        await self._hub.close()

    # --- records ---

    async def _health(self) -> None:
        memory = MemoryReading()
        while True:
            await asyncio.sleep(HEALTH_EVERY_S)
            lag_ms = self._lag.take_ms()
            self._metrics.loop_lag.observe(lag_ms / 1_000)
            self._recorder.add(
                "health",
                at_ns=now_ns(),
                loop_lag_ms=lag_ms,
                rss_bytes=memory.rss_bytes(),
                open_count=len(self._roster.everybody),
            )
            self._recorder.flush()

    async def _record_clock(self) -> None:
        """Our clock against the store's; left out when the store does not answer."""
        try:
            async with asyncio.timeout(CLOCK_TIMEOUT_S):
                offset_ns, uncertainty_ns = await measure_offset(self._backend.store.time_us)
        except (StoreError, TimeoutError):
            return
        self._recorder.add(
            "clocks", at_ns=now_ns(), offset_ns=offset_ns, uncertainty_ns=uncertainty_ns
        )

    def _record_event(self, kind: str, session_id: str | None = None, detail: str = "") -> None:
        self._recorder.add(
            "events", at_ns=now_ns(), kind=kind, session_id=session_id, detail=detail[:MAX_DETAIL]
        )

    # --- what the parts report ---

    def _on_message(self, clients: int) -> None:
        self._metrics.messages.inc()
        self._metrics.deliveries.inc(clients)

    def _on_bad_message(self, key: bytes, payload: bytes) -> None:
        self._metrics.bad_messages.inc()
        session_id = key.decode(errors="replace").removeprefix(stream_key(""))
        self._record_event("bad_message", session_id, ascii(payload[:MAX_DETAIL]))

    def _on_lost(self, reason: str) -> None:
        self._metrics.store_losses.inc()
        self._record_event("store_lost", detail=reason)
        self._server.tell_all("store_lost", reason)

    def _on_back(self, replaced: str | None) -> None:
        self._record_event("store_back")
        self._recoveries.start_all()
        self._server.tell_all("gap_possible", "the store was away; chunks may be missing")
        if replaced is not None:
            self._metrics.store_replacements.inc()
            self._record_event("store_replaced", detail=replaced)
            self._server.tell_all(
                "store_replaced",
                f"another server, {replaced}; chunks may be lost, and numbers may begin again",
            )


def _claim(options: NodeOptions) -> None:
    """Make the records folder ours. Raises UsageError when we could not write into it."""
    folder = options.records
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--records: {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--records: {folder}: not writable")
    if any(folder.glob(f"{options.name}.*.arrows")):
        raise UsageError(f"--records: {folder} already has records of {options.name}")
