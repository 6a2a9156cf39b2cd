"""Ask the producer for what the page wants: plain HTTP, by the standard library, in a thread."""

import asyncio
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from chunk7.delivery.errors import Chunk7Error

WITHIN_S = 5.0
_MOST_BYTES = 65_536


class NotGranted(Chunk7Error):
    """The producer refuses, or does not answer; the text is one line for the page."""


async def ask(producer: str | None, body: bytes | None = None) -> bytes:
    """The producer's JSON: its choices, or with a body its promise. Raises NotGranted."""
    if producer is None:
        raise NotGranted("this node was started without --producer, so it has no answer to show")
    return await asyncio.to_thread(_ask, producer, body)


def _ask(producer: str, body: bytes | None) -> bytes:
    request = Request(f"{producer}/answer", data=body)  # noqa: S310 - options let http through only
    request.add_header("Content-Type", "application/json")
    try:
        # No proxy, whatever the environment says: the producer is ours.
        with build_opener(ProxyHandler({})).open(request, timeout=WITHIN_S) as answer:
            content: bytes = answer.read(_MOST_BYTES)
            return content
    except HTTPError as error:
        with error:
            line = error.read(4_096).decode(errors="replace").partition("\n")[0]
        raise NotGranted(line[:300] or f"the producer: HTTP {error.code}") from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise NotGranted(f"the producer does not answer: {reason}") from error
