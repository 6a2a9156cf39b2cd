"""What the status server answers and logs about a load test while it runs."""

import asyncio
import contextlib
import csv
import io
import math
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from live_kit import BUG, FIX, ROUND_MS, Scene, a_plan, ns
from prometheus_client.parser import text_string_to_metric_families

from chunk7.analysis.live.judging import Live
from chunk7.analysis.manifest import Traits
from chunk7.cluster.status import delivery as live_http
from chunk7.cluster.status.delivery import DeliveryService
from chunk7.cluster.status.metrics import JudgeMetrics

pytestmark = pytest.mark.clocked

TRAITS = {BUG.connect: Traits(), FIX.connect: Traits(merges=True)}
WITHIN_S = 10.0
ORDER = ["connect", "write", "cause", "quantile"]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "run")


@contextlib.asynccontextmanager
async def served(judge: DeliveryService) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the judge's answers."""
    application = web.Application()
    application.add_routes(judge.routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def judging(judge: DeliveryService) -> AsyncIterator[None]:
    keeping = asyncio.create_task(judge.keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def document(client: aiohttp.ClientSession, query: str = "") -> dict[str, Any]:
    async with client.get(f"/delivery{query}") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        found: dict[str, Any] = await answer.json()
        return found


async def until(
    client: aiohttp.ClientSession, state: str, counts: list[tuple[int, int]] | None = None
) -> dict[str, Any]:
    """The document, once it says so; a look may fall between two files of the same moment.

    `counts`, if they matter, are connections and lost chunks of each result.
    """
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = await document(client)
            told = [(r["connections"], r["chunks_lost"]) for r in found["results"]]
            if found["state"] == state and counts in (None, told):
                return found
            await asyncio.sleep(0.02)  # poll, bounded by the time-out


async def test_the_document_the_table_and_the_log_say_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_http, "EVERY_S", 0.01)
    lines: list[str] = []
    judge = DeliveryService(Live(scene.folder, TRAITS), lines.append)
    scene.round(a_plan("r", cells=(BUG, FIX)), 0, joins_ms=(38, 190, 240))
    async with served(judge) as client, judging(judge):
        assert (await document(client))["state"] == "idle"
        scene.play(900)
        await until(client, "running", [(3, 3)])
        scene.play(2 * ROUND_MS + 1_100)
        over = await until(client, "over", [(3, 3), (3, 0)])
        async with client.get("/delivery.csv?from_round=1") as answer:
            rows = list(csv.DictReader(io.StringIO(await answer.text())))
            kind, name = answer.content_type, answer.headers["Content-Disposition"]
    assert (kind, name) == ("text/csv", 'attachment; filename="delivery.csv"')
    assert [int(row["chunks_lost"]) for row in rows] == [3, 0]
    assert over["history"][0].keys() >= {"at_s", "loss_rate_high", "window_ms_p95"}
    assert over["valid"] is True
    assert (
        "round 1: history_then_subscribe x publish_then_save: 3 of 3 connections lost chunks "
        "(100%, 44 to 100), 3 chunks; law 0.7"
    ) in lines


async def test_a_reason_is_logged_once_however_its_numbers_grow(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_http, "EVERY_S", 0.01)
    monkeypatch.setattr(live_http, "TELL_EVERY_S", 0.0)
    lines: list[str] = []
    judge = DeliveryService(Live(scene.folder, TRAITS), lines.append)
    scene.round(a_plan("r"), 0, joins_ms=(38, 190))
    for at_ms in range(100, 900, 100):
        scene.write(at_ms, "node-1", "health", at_ns=ns(at_ms), loop_lag_ms=at_ms)
    async with served(judge) as client, judging(judge):
        for until_ms in (600, 900, ROUND_MS + 1_100):
            scene.play(until_ms)
            judged = (await document(client))["judged_at_unix_s"]
            async with asyncio.timeout(WITHIN_S):
                while (await document(client))["judged_at_unix_s"] == judged:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)  # poll, bounded by the time-out
        over = await until(client, "over")
    [reason] = over["invalid_because"]
    assert reason.startswith("node-1 was saturated")
    assert len([line for line in lines if "not valid: node-1 was saturated" in line]) == 1


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("?from_round=0", "from_round: '0' is not a whole number from 1 to 2147483647"),
        ("?from_round=x", "from_round: 'x' is not"),
        ("?from_round=", "from_round: '' is not"),
        ("?from_round=1&from_round=2", "from_round: '1' is not"),
        ("?from_round=99999999999999", "is not a whole number"),
        ("?round=1", "'round': no such field: there are from_round and to_round"),
    ],
)
@pytest.mark.parametrize("path", ["/delivery", "/delivery.csv"])
async def test_a_bad_query_is_400_and_one_line(
    scene: Scene, path: str, query: str, line: str
) -> None:
    async with (
        served(DeliveryService(Live(scene.folder, TRAITS), print)) as client,
        client.get(path + query) as answer,
    ):
        assert answer.status == 400
        [only] = (await answer.text()).splitlines()
    assert line in only


async def test_its_end_waits_for_what_is_still_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_http, "FINISH_WITHIN_S", 0.2)
    lines: list[str] = []
    live = Live(scene.folder, TRAITS)
    scene.round(a_plan("r"), 0, joins_ms=(38, 190))
    scene.play(900)
    await DeliveryService(live, lines.append).finish()
    assert live.settled
    assert lines[-1].startswith("round 1: history_then_subscribe x publish_then_save: 2 of 2 ")
    assert (scene.folder / "rounds" / "r" / "summary.json").exists()


def shown(metrics: JudgeMetrics) -> dict[tuple[str, ...], float]:
    """Samples by name, and values of labels: connect and write come first."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = sorted(sample.labels, key=ORDER.index)
            found[sample.name, *(sample.labels[label] for label in labels)] = sample.value
    return found


def test_counters_never_fall_and_are_the_truth_when_all_is_over(scene: Scene) -> None:
    live, metrics = Live(scene.folder, TRAITS), JudgeMetrics()
    before: dict[tuple[str, ...], float] = {}
    scene.round(a_plan("r", cells=(BUG, FIX)), 0, joins_ms=(38, 190, 240))
    scene.round(a_plan("r-2", 2), 2 * ROUND_MS, joins_ms=(38, 100), stopped_ms=2 * ROUND_MS + 800)
    for until_ms in range(300, 2 * ROUND_MS + 2_500, 300):
        scene.play(until_ms)
        live.advance()
        metrics.update(live, 0.1)
        now = shown(metrics)
        totals = {key: value for key, value in now.items() if key[0].endswith("_total")}
        assert all(totals[key] >= value for key, value in before.items())
        before = totals
    assert live.settled
    bug, fix = (BUG.connect, BUG.write), (FIX.connect, FIX.write)
    assert now["chunk7_connections_total", *bug] == 5
    assert now["chunk7_lossy_connections_total", *bug] == 4
    lost = {key: value for key, value in now.items() if key[0] == "chunk7_chunks_lost_total"}
    assert sum(lost.values()) == 4
    assert now["chunk7_connections_total", *fix] == 3
    assert now["chunk7_lossy_connections_total", *fix] == 0
    assert (now["chunk7_loss_ratio", *bug], now["chunk7_loss_ratio", *fix]) == (0.5, 0)
    assert math.isclose(now["chunk7_window_seconds", *bug, "0.5"], 0.01)
    assert (now["chunk7_run_valid",], now["chunk7_round",]) == (1, 2)


def test_every_metric_is_in_the_documentation(scene: Scene) -> None:
    live, metrics = Live(scene.folder, TRAITS), JudgeMetrics()
    scene.round(a_plan("r"), 0)
    scene.play(ROUND_MS + 1_100)
    live.advance()
    metrics.update(live, 0.1)
    text = (Path(__file__).parents[2] / "docs" / "live.md").read_text()
    documented = set(re.findall(r"`(chunk7_[a-z_]+)", text))
    assert {name for name, *_ in shown(metrics)} == documented
