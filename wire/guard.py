"""`wire.origins` for servers of aiohttp: a middleware that stands before every handler."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from chunk7.wire.origins import READS, UNCHECKED, Origins, json_refusal


def guard(origins: Origins) -> Middleware:
    """Answers 403 to who may not ask, and 415 to a body that is not application/json."""

    @web.middleware
    async def look(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path in UNCHECKED:
            return await handler(request)
        foreign = origins.refusal(request.headers.items(), request.method in READS)
        if foreign is not None:
            return web.Response(status=403, text=f"{foreign}\n")
        if request.method in ("POST", "PUT"):
            other = json_refusal(request.headers.get("Content-Type", ""))
            if other is not None:
                return web.Response(status=415, text=f"{other}\n")
        return await handler(request)

    return look
