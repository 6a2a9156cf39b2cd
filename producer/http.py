"""The control API (docs/protocol.md), health and metrics over HTTP."""

import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from chunk7.delivery.errors import StoreError, UsageError
from chunk7.producer.demo import Busy
from chunk7.producer.service import Producer
from chunk7.wire.demo import AnswerOrder
from chunk7.wire.guard import guard
from chunk7.wire.origins import Origins, origins_of
from chunk7.wire.plan import Plan, Timetable

SHUTDOWN_WITHIN_S = 0.2
_decode_plan = msgspec.json.Decoder(Plan).decode
_decode_timetable = msgspec.json.Decoder(Timetable).decode
_decode_answer_order = msgspec.json.Decoder(AnswerOrder).decode
_BAD = (msgspec.DecodeError, UnicodeDecodeError, UsageError)
_Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def served(
    producer: Producer, host: str, port: int, origins: Origins | None = None
) -> AsyncIterator[int]:
    """Answer requests while the block runs; gives the port, which differs from 0.

    `origins` says whose: by default those of a server that was told nothing but its host.
    Raises UsageError when the address cannot be listened on.
    """
    runner = web.AppRunner(
        _application(producer, origins or origins_of(host)),
        access_log=None,
        shutdown_timeout=SHUTDOWN_WITHIN_S,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "")
            raise UsageError(f"--listen {host}:{port}: cannot listen there ({reason})") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _application(producer: Producer, origins: Origins) -> web.Application:
    application = web.Application(middlewares=[guard(origins)])
    application.add_routes(
        [
            web.post("/timetable", _post(producer)),
            web.put("/timetable", _put(producer)),
            web.get("/timetable", _get(producer)),
            web.delete("/timetable", _delete(producer)),
            web.post("/answer", _post_answer(producer)),
            web.get("/answer", _get_answer(producer)),
            web.get("/healthz", _healthz(producer)),
            web.get("/metrics", _metrics(producer)),
        ]
    )
    return application


def _post(producer: Producer) -> _Handler:
    async def post(request: web.Request) -> web.Response:
        try:
            plan = _decode_plan(await request.read())
            return _json(await producer.take(plan))
        except _BAD as error:
            return web.Response(status=400, text=f"{error}\n")

    return post


def _put(producer: Producer) -> _Handler:
    async def put(request: web.Request) -> web.Response:
        try:
            return _json(await producer.resume(_decode_timetable(await request.read())))
        except _BAD as error:
            return web.Response(status=400, text=f"{error}\n")

    return put


def _get(producer: Producer) -> _Handler:
    async def get(request: web.Request) -> web.Response:
        if producer.timetable is not None:
            return _json(producer.timetable)
        if producer.stopped:
            return web.Response(status=410, text="the timetable was stopped\n")
        return web.Response(status=404, text="no timetable\n")

    return get


def _delete(producer: Producer) -> _Handler:
    async def delete(request: web.Request) -> web.Response:
        await producer.stop()
        return web.Response(status=204)

    return delete


def _post_answer(producer: Producer) -> _Handler:
    async def post(request: web.Request) -> web.Response:
        try:
            return _json(await producer.demo.begin(_decode_answer_order(await request.read())))
        except _BAD as error:
            return web.Response(status=400, text=f"{error}\n")
        except Busy as error:
            return web.Response(status=429, text=f"{error}\n")
        except (StoreError, TimeoutError) as error:
            return web.Response(status=503, text=f"{str(error) or 'the store does not answer'}\n")

    return post


def _get_answer(producer: Producer) -> _Handler:
    async def get(request: web.Request) -> web.Response:
        return _json(producer.demo.choices())

    return get


def _healthz(producer: Producer) -> _Handler:
    async def healthz(request: web.Request) -> web.Response:
        try:
            await producer.connection.ping()
        except (StoreError, TimeoutError) as error:
            return web.Response(status=503, text=f"{str(error) or 'the store does not answer'}\n")
        return web.Response(text="ok\n")

    return healthz


def _metrics(producer: Producer) -> _Handler:
    async def metrics(request: web.Request) -> web.Response:
        body = generate_latest(producer.journal.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics


def _json(body: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
