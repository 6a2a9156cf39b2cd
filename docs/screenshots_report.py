"""Pictures of a report, that of the sample run: `python -m docs.screenshots_report [FOLDER]`."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from chunk7.cli import main as chunk7
from docs.photography import DESKTOP, main, shrink

SAMPLE = Path(__file__).parents[1] / "notebooks" / "sample_run"


def take_pictures(browser: Browser, url: str, folder: Path) -> None:
    """`report.png`, its beginning, and `report-loss.png`, a lost chunk unfolded."""
    page = browser.new_page(**DESKTOP)
    page.goto(url)
    page.screenshot(path=folder / "report.png")
    loss = page.locator("#loss-rows details").first
    loss.locator("summary").click()
    loss.screenshot(path=folder / "report-loss.png")
    page.close()
    for name in ("report.png", "report-loss.png"):
        shrink(folder / name)


def photograph(browser: Browser, folder: Path) -> None:
    """Write the report, take the pictures."""
    with tempfile.TemporaryDirectory() as written:
        chunk7(["report", str(SAMPLE), "--out", written])
        take_pictures(browser, Path(written, "report.html").as_uri(), folder)


if __name__ == "__main__":
    sys.exit(main(photograph))
