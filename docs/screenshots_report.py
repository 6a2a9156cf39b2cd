"""Pictures of a report, that of the sample run: `python -m docs.screenshots_report [FOLDER]`."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from cluster.cli import main as chunk7
from docs.screenshots_demo import DESKTOP, FOLDER, QUIET, shrink

SAMPLE = Path(__file__).parents[1] / "notebooks" / "sample_run"


def take_pictures(browser: Browser, url: str, folder: Path) -> None:
    """`report.png`, its beginning, and `report-loss.png`, a lost chunk unfolded."""
    folder.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(**DESKTOP)
    page.goto(url)
    page.screenshot(path=folder / "report.png")
    loss = page.locator("#loss-rows details").first
    loss.locator("summary").click()
    loss.screenshot(path=folder / "report-loss.png")
    page.close()
    for name in ("report.png", "report-loss.png"):
        shrink(folder / name)


def main(folder: Path) -> int:
    """Write the report, take the pictures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.stderr.write("screenshots: no chromium on PATH\n")
        return 1
    with tempfile.TemporaryDirectory() as written, sync_playwright() as playwright:
        code = chunk7(["report", str(SAMPLE), "--out", written])
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        take_pictures(browser, Path(written, "report.html").as_uri(), folder)
        browser.close()
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
