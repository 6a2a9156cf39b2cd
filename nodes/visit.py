"""One client's connection, from its acceptance to its last frame, and what is recorded of it."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
from websockets.protocol import State

from chunk7.delivery.errors import Chunk7Error, StoreError, UsageError
from chunk7.delivery.ordering import ConnectSteps, Join
from chunk7.nodes.answers import answer
from chunk7.nodes.backend import Backend
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.feeds.stream import StreamFeed
from chunk7.nodes.history_budget import HistoryBudget
from chunk7.nodes.join import Driver
from chunk7.nodes.metrics import NodeMetrics
from chunk7.nodes.options import NodeOptions
from chunk7.nodes.pace import Pace
from chunk7.nodes.recovery import Recoveries
from chunk7.nodes.request import JoinRequest
from chunk7.nodes.roster import Roster
from chunk7.nodes.transports.connection import NodeConnection, nothing
from chunk7.nodes.transports.websocket import Client, text_frame
from chunk7.wire.clock import now_ns
from chunk7.wire.demo import is_demo
from chunk7.wire.frames import ErrorFrame, decode_client_frame, encode
from chunk7.wire.recorder import Recorder

JOIN_TIMEOUT_S = 30.0
"""Longest join: two longest pauses and the store's own time-outs fit in."""
MAX_BAD_FRAMES = 10
READ_FOR_A_FETCH = 1_000
"""Stored chunks that a fetch may make the node read; for each so many more it is as two."""

_FAILURES = (Chunk7Error, msgspec.MsgspecError, OSError)
"""What driving an ordering may raise; anything else is a bug of ours."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a node that serve every client."""

    options: NodeOptions
    backend: Backend
    hub: Hub
    tail: StreamFeed
    roster: Roster
    recorder: Recorder
    metrics: NodeMetrics
    recoveries: Recoveries
    budget: HistoryBudget


class ClientVisit:
    """A client that was accepted, its request in hand."""

    def __init__(
        self, services: Services, connection: NodeConnection, request: JoinRequest
    ) -> None:
        self._services = services
        self._connection = connection
        self._request = request
        self._accepted_ns = now_ns()
        self._client = Client(
            connection,
            random.getrandbits(63) if request.connection_id is None else request.connection_id,
            request.session_id,
            services.options.max_outbox_kb * 1024,
            self._on_slow,
        )
        self._pace = Pace(services.options.max_fetches_s)
        self._joining: Driver | None = self._new_driver()
        """Until it is known when the join was subscribed: its facts take a KiB."""
        self._subscribed_ns: int | None = None

    async def run(self) -> None:
        """Join, converse, leave."""
        self._services.roster.arrive(self._client)
        try:
            if await self._join():
                self._services.roster.join(self._client)
                ordering = self._request.ordering
                self._services.recoveries.follow(self._client, ordering, self._new_driver)
                await self._converse()
        finally:
            self._leave()

    def _new_driver(self) -> Driver:
        services, request = self._services, self._request
        return Driver(
            self._client,
            services.backend,
            services.hub,
            services.tail,
            services.options.name,
            request.ordering,
            request.work_ms,
            services.budget,
        )

    async def _join(self) -> bool:
        """Run the connect ordering and record it; false when it failed and the client is closed."""
        driver = self._joining
        assert driver is not None
        request, metrics, name = self._request, self._services.metrics, self._request.ordering.name
        join = Join(request.session_id, request.after_seq)
        error = await self._failure(driver.join(join, request.epoch))
        self._record(
            "joins",
            connection_id=self._client.connection_id,
            session_id=request.session_id,
            user_id=request.user_id,
            node=self._services.options.name,
            connect=name,
            after_seq=driver.after_seq,
            accepted_ns=self._accepted_ns,
            error=error,
            **vars(driver.facts),
        )
        metrics.joins.labels(name, "failed" if error else "joined").inc()
        metrics.join_seconds.labels(name).observe((now_ns() - self._accepted_ns) / 1e9)
        window_s = driver.window_s()
        if error is None and window_s is not None:
            metrics.observe_window(name, window_s)
        self._note_subscribed()
        if error is not None:
            self._tell("join_failed", error)
            await self._client.close(1011, "join_failed")
        return error is None

    def _note_subscribed(self) -> None:
        """When the join was subscribed; not known yet where nothing waited for it."""
        if self._joining is not None:
            self._subscribed_ns = self._joining.subscribed_ns()
            if self._subscribed_ns is not None:
                self._joining = None

    async def _converse(self) -> None:
        """Answer the client's frames, one after the other and at its pace, until it is gone.

        Frames that come meanwhile wait in the connection's own short queue, and then in the
        client's: nothing grows here, however much it asks.
        """
        bad_frames = 0
        while (message := await self._connection.inbox.take()) is not None:
            if isinstance(message, bytes):
                await self._client.close(1003, "text frames only")
                return
            try:
                steps = answer(decode_client_frame(message.encode()), self._request.ordering.feed)
            except (UsageError, msgspec.MsgspecError) as error:
                bad_frames += 1
                self._services.metrics.bad_frames.inc()
                self._tell("bad_frame", str(error))
                if bad_frames >= MAX_BAD_FRAMES:
                    await self._client.close(1008, "too many bad frames")
                    return
                continue
            await self._answer(steps)

    async def _answer(self, steps: ConnectSteps) -> None:
        self._client.fetch_count += 1
        self._services.metrics.fetches.inc()
        error = await self._failure(self._fetch(steps))
        if error is not None:
            self._tell("fetch_failed", error)

    async def _fetch(self, steps: ConnectSteps) -> None:
        await self._pace.wait()
        driver = self._new_driver()
        try:
            await driver.drive(steps)
        finally:
            self._pace.charge(driver.read_count // READ_FOR_A_FETCH)

    async def _failure(self, driving: Coroutine[Any, Any, None]) -> str | None:
        """Drive to the end, or until the client is gone; None, or in one line why that failed."""
        limit = asyncio.timeout(JOIN_TIMEOUT_S)
        self._connection.on_lost = lambda: limit.reschedule(0)
        try:
            async with limit:
                if self._gone:
                    limit.reschedule(0)
                await driving
        except TimeoutError:
            return "the client left" if self._gone else f"it took longer than {JOIN_TIMEOUT_S:g} s"
        except StoreError as error:
            return f"the store: {error}"
        except _FAILURES as error:
            return f"{type(error).__name__}: {error}"
        finally:
            self._connection.on_lost = nothing
        return None

    @property
    def _gone(self) -> bool:
        return self._connection.state is State.CLOSED

    def _leave(self) -> None:
        client = self._client
        self._services.recoveries.forget(client)
        self._services.hub.leave(client)
        self._services.tail.leave(client)
        self._services.roster.leave(client)
        self._note_subscribed()
        close_code, close_reason = client.ended
        self._record(
            "leaves",
            connection_id=client.connection_id,
            node=self._services.options.name,
            subscribe_confirmed_ns=self._subscribed_ns,
            first_live_ns=client.first_live_ns,
            live_count=client.live_count,
            fetch_count=client.fetch_count,
            ended_ns=now_ns(),
            close_code=close_code,
            close_reason=close_reason,
        )

    def _on_slow(self, client: Client) -> None:
        self._services.metrics.slow_clients.inc()
        self._record(
            "events",
            at_ns=now_ns(),
            kind="slow_client",
            session_id=client.session_id,
            detail=f"connection {client.connection_id}",
        )

    def _record(self, table: str, **row: Any) -> None:
        """Write a row down, unless it is of the page, which must not be taken for a test's."""
        if not is_demo(self._request.session_id):
            self._services.recorder.add(table, **row)

    def _tell(self, code: str, reason: str) -> None:
        self._client.write(text_frame(encode(ErrorFrame(code, reason))))
