"""The live judge's pace, its lines in the log, and its answers over HTTP."""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web

from chunk7.analysis.live.document import document, told
from chunk7.analysis.live.judging import Judged, Live
from chunk7.analysis.totals import totals
from chunk7.cluster.status.metrics import CONTENT_TYPE, JudgeMetrics
from chunk7.delivery.errors import UsageError
from chunk7.wire.live import Document, as_csv

EVERY_S = 1.0
REST = 4.0
"""Times the processor time of a pass until the next: so it takes a fifth of a core at most."""
TELL_EVERY_S = 3.0
FINISH_WITHIN_S = 1.5
"""For everybody's last second of records, once we are told to end."""
AGAINST = "not valid: "
MOST_ROUND = 2**31 - 1


@dataclass(slots=True)
class _Answered:
    """The last answer, until something new is judged."""

    key: tuple[float, int, int | None] = (-1.0, -1, None)
    document: Document | None = None


class DeliveryService:
    """Judges for as long as `keep` runs. `tell` gets lines for the log."""

    def __init__(self, live: Live, tell: Callable[[str], None]) -> None:
        self._live = live
        self._tell = tell
        self._metrics = JudgeMetrics()
        self._answered = _Answered()
        self._told: list[str] = []
        self._told_at_s = 0.0

    async def keep(self) -> None:
        """Judge again and again, until cancelled."""
        while True:
            busy_s = await self._pass()
            await asyncio.sleep(max(EVERY_S, REST * busy_s))

    async def finish(self) -> None:
        """Judge what there is for the last time: each round that runs is taken as stopped."""
        deadline = time.monotonic() + FINISH_WITHIN_S
        while not self._live.settled and time.monotonic() < deadline:
            await self._pass()
            await asyncio.sleep(0.1)
        await self._pass(last=True)

    def routes(self) -> list[web.RouteDef]:
        """`/delivery`, `/delivery.csv` and `/metrics`."""
        return [
            web.get("/delivery", self._delivery),
            web.get("/delivery.csv", self._csv),
            web.get("/metrics", self._show_metrics),
        ]

    # --- judging ---

    async def _pass(self, last: bool = False) -> float:
        """How many seconds of processor time it took."""
        began_s, busy_s = time.monotonic(), time.process_time()
        judging = asyncio.create_task(asyncio.to_thread(self._live.advance, last))
        try:
            came = await asyncio.shield(judging)
        except asyncio.CancelledError:  # a thread cannot be: two passes must not overlap
            with contextlib.suppress(Exception):
                await judging
            raise
        if came or last:
            self._metrics.update(self._live, time.monotonic() - began_s)
            self._tell_changes(last)
        return time.process_time() - busy_s

    def _tell_changes(self, last: bool) -> None:
        """A line for each ordering of the newest two rounds whose numbers changed."""
        now_s = time.monotonic()
        if not last and now_s < self._told_at_s + TELL_EVERY_S:
            return
        lines = [line for judged in self._live.rounds[-2:] for line in _lines(judged)]
        known = {*self._told, *map(_without_numbers, self._told)}
        for line in lines:
            # A reason is told once, not each time that its numbers grow.
            if (_without_numbers(line) if AGAINST in line else line) not in known:
                self._tell(line)
                self._told_at_s = now_s
        self._told = lines

    # --- HTTP ---

    async def _delivery(self, request: web.Request) -> web.Response:
        return _answer(lambda: msgspec.json.encode(self._document(request)), "application/json")

    async def _csv(self, request: web.Request) -> web.Response:
        answer = _answer(lambda: as_csv(self._document(request)).encode(), "text/csv")
        answer.headers["Content-Disposition"] = 'attachment; filename="delivery.csv"'
        return answer

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    def _document(self, request: web.Request) -> Document:
        from_round, to_round = _rounds(request)
        key = (self._live.judged_at_unix_s, from_round, to_round)
        if self._answered.key != key or self._answered.document is None:
            self._answered = _Answered(key, document(self._live, from_round, to_round))
        assert self._answered.document is not None, "it was just made"
        return self._answered.document


def _lines(judged: Judged) -> list[str]:
    found = totals([judged.kept]) if judged.kept is not None else []
    against = (f"{AGAINST}{reason}" for reason in judged.invalid_because)
    return [f"round {judged.number}: {line}" for line in (*map(told, found), *against)]


def _without_numbers(line: str) -> str:
    round_, colon, text = line.partition(": ")
    return round_ + colon + re.sub(r"[0-9.]+", "#", text)


def _answer(body: Callable[[], bytes], content_type: str) -> web.Response:
    try:
        return web.Response(body=body(), content_type=content_type)
    except UsageError as error:
        return web.Response(status=400, text=f"{error}\n")


def _rounds(request: web.Request) -> tuple[int, int | None]:
    """The first and the last round that are asked for; None: there is no last."""
    strange = sorted(set(request.query) - {"from_round", "to_round"})
    if strange:
        raise UsageError(f"{strange[0][:40]!r}: no such field: there are from_round and to_round")
    to_round = _round(request, "to_round") if "to_round" in request.query else None
    return _round(request, "from_round"), to_round


def _round(request: web.Request, field: str) -> int:
    given = request.query.getall(field, ["1"])
    text = given[0]
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    if len(given) > 1 or not 1 <= number <= MOST_ROUND:
        raise UsageError(f"{field}: {text[:40]!r} is not a whole number from 1 to {MOST_ROUND}")
    return number
