"""The control of the delay before the store (`delay_proxy --control`)."""

import json
from http.client import HTTPException
from urllib.request import ProxyHandler, Request, build_opener

from chunk7.delivery.errors import Chunk7Error

REQUEST_TIMEOUT_S = 5.0


class DelayUnreachable(Chunk7Error):
    """Nobody, or no delay, answers at --store-delay."""


def set_store_latency(delay: str, latency_ms: float) -> None:
    """From now on every byte to and from the store takes so long; raises DelayUnreachable."""
    request = Request(  # noqa: S310 - options let only http:// through
        f"{delay}/latency",
        data=json.dumps({"latency_ms": latency_ms}).encode(),
        method="PUT",
        headers={"Content-Type": "application/json"},
    )
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=REQUEST_TIMEOUT_S) as answer:
            answer.read(4_096)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DelayUnreachable(f"--store-delay {delay} does not answer: {reason}") from error
