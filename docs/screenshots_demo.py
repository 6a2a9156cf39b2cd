"""Pictures of the browser page, from a real cluster: `python -m docs.screenshots_demo [FOLDER]`.

They are photographs, not drawings: each time another answer is seen, and other chunks are lost.
"""

import asyncio
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from chunk7.cluster.deployments.local import Endpoints, Local, start
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.wire.plan import Plan
from docs.photography import DESKTOP, PHONE, main, shrink

_STARTED_WITHIN_S = 30.0


@contextmanager
def running_cluster(folder: Path, nodes: int = 2) -> Iterator[Endpoints]:
    """A cluster of local processes without Locust, for as long as the block runs.

    It has an event loop in a thread of its own, because playwright has ours.
    """
    layout = Local(
        plan=Plan(run="demo", cells=[]),
        nodes=nodes,
        stream_max_entries=None,
        redis=None,
        answers=None,
        connect_files=(),
        write_files=(),
    )
    ready: asyncio.Queue[Endpoints | BaseException] = asyncio.Queue()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def keep() -> None:
        try:
            async with Cluster(folder) as cluster:
                ready.put_nowait(await start(cluster, layout, folder))
                await stop.wait()
        except BaseException as error:
            ready.put_nowait(error)

    thread = threading.Thread(target=loop.run_until_complete, args=(keep(),))
    thread.start()
    try:
        started = asyncio.run_coroutine_threadsafe(ready.get(), loop).result(_STARTED_WITHIN_S)
        if isinstance(started, BaseException):
            raise started
        yield started
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def page_url(endpoints: Endpoints) -> str:
    """Of the page, through the proxy."""
    return endpoints.websocket.replace("ws://", "http://") + "/demo"


def wait_played(page: Page, within_s: float = 20.0) -> None:
    """Until an answer has been played to its end."""
    expect(page.locator("body")).to_have_attribute(
        "data-playing", "false", timeout=within_s * 1_000
    )


def take_pictures(browser: Browser, url: str, folder: Path) -> None:
    """demo.png, demo-dark.png, demo-playing.png, demo-producer.png and demo-phone.png."""
    _take_on_a_desktop(browser, url, folder)
    page = browser.new_page(**PHONE)
    page.goto(url)
    wait_played(page)
    top = {"x": 0, "y": 0, "width": 390, "height": 1_800}
    page.screenshot(path=folder / "demo-phone.png", full_page=True, clip=top)
    page.close()
    for path in folder.glob("demo*.png"):
        shrink(path)


def _take_on_a_desktop(browser: Browser, url: str, folder: Path) -> None:
    for name, settings in (("demo", DESKTOP), ("demo-dark", {**DESKTOP, "color_scheme": "dark"})):
        page = browser.new_page(**settings)
        page.goto(url)
        if name == "demo":
            expect(page.locator("#panes .hole").first).to_be_visible(timeout=10_000)
            page.screenshot(path=folder / "demo-playing.png")
        wait_played(page)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        if name == "demo":
            page.get_by_role("button", name="The producer does it wrong, too").click()
            wait_played(page)
            page.screenshot(path=folder / "demo-producer.png", full_page=True)
        page.close()


def photograph(browser: Browser, folder: Path) -> None:
    """Start a cluster, take the pictures, stop it."""
    with tempfile.TemporaryDirectory() as run, running_cluster(Path(run)) as endpoints:
        take_pictures(browser, page_url(endpoints), folder)


if __name__ == "__main__":
    sys.exit(main(photograph))
