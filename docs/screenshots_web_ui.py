"""Pictures of Locust's web UI with ours in it: `python -m docs.screenshots_web_ui [FOLDER]`.

From a real cluster and a real test, as `docs/screenshots_demo.py` is: each time other chunks are
lost.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from chunk7.cluster.deployments.probes import free_ports
from docs.photography import main, shrink

_WITHIN_S = 40.0
VIEW = {"width": 1280, "height": 800}


@contextmanager
def running_web_ui(folder: Path, *options: str) -> Iterator[str]:
    """The web UI's URL of `chunk7 up` with these options, for as long as the block runs.

    Its run folder is `folder/run`. Raises RuntimeError with what it said if it does not start.
    """
    ports = dict(zip(("--port", "--web-port", "--status-port"), free_ports(3), strict=True))
    words = [*(str(word) for pair in ports.items() for word in pair), *options]
    told = folder / "up.log"
    with told.open("wb") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "chunk7", "up", "--out", str(folder / "run"), *words],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + _WITHIN_S
        while "web UI" not in told.read_text():
            if up.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"chunk7 up did not start: {told.read_text()}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{ports['--web-port']}"
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(20)


def choose(page: Page, **choices: str) -> None:
    """Choose these in the form, whose fields go by Locust's names, e.g. nodeWorkMs."""
    expect(page.locator("select[name=connect]")).to_be_visible()  # it has been unfolded
    for name, value in choices.items():
        page.select_option(f"select[name={name}]", value)


def press_start(page: Page) -> None:
    """Start. The page opens on the Delivery tab."""
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#chunk7-panel")).to_be_visible()


def press_stop(page: Page) -> None:
    """Stop, and wait until Locust says that it has."""
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_stopped(page)


def wait_stopped(page: Page) -> None:
    """Until Locust's page says that the test has stopped, by itself or not."""
    expect(page.get_by_role("button", name="New", exact=True)).to_be_visible(timeout=30_000)


def take_pictures(browser: Browser, url: str, folder: Path, test_s: float = 45) -> None:
    """web-ui-form.png, -delivery, -delivery-dark, -charts, -report and -refused."""
    page = browser.new_page(viewport=VIEW)
    page.goto(url)
    choose(page, connect="redis_streams", write="publish_then_save")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("does not go with")
    page.screenshot(path=folder / "web-ui-refused.png", full_page=True)
    choose(page, connect="all", write="all", nodeWorkMs="20")
    page.screenshot(path=folder / "web-ui-form.png", full_page=True)
    press_start(page)
    page.wait_for_timeout(test_s * 1_000)
    page.screenshot(path=folder / "web-ui-delivery.png", full_page=True)
    press_stop(page)
    expect(page.locator("#chunk7-panel .about")).to_contain_text("over", timeout=20_000)
    page.evaluate("localStorage.theme = 'dark'")
    page.reload()
    expect(page.locator("#chunk7-panel .about")).to_be_visible()
    page.screenshot(path=folder / "web-ui-delivery-dark.png", full_page=True)
    page.evaluate("localStorage.theme = 'light'")
    page.goto(f"{url}/delivery")
    expect(page.locator("#drawn")).to_be_visible()
    page.screenshot(path=folder / "web-ui-charts.png", full_page=True)
    for name, theme in (("report", "light"), ("report-dark", "dark")):
        page.goto(f"{url}/stats/report?theme={theme}")
        expect(page.locator("#root #chunk7")).to_be_visible()
        page.screenshot(path=folder / f"web-ui-{name}.png")
    page.close()
    for path in folder.glob("web-ui-*.png"):
        shrink(path)


def photograph(browser: Browser, folder: Path) -> None:
    """Start a cluster, run a test, take the pictures, stop it."""
    with (
        tempfile.TemporaryDirectory() as run,
        running_web_ui(Path(run), "--users", "60", "--duration", "2.5") as url,
    ):
        take_pictures(browser, url, folder)


if __name__ == "__main__":
    sys.exit(main(photograph))
