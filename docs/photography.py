"""A quiet Chromium, and what the scripts that take pictures of pages share."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).parent / "screenshots"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}


def chromium_path() -> str | None:
    """Where the machine has it."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """The browser, for as long as the block runs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


def shrink(path: Path) -> None:
    """A page has few colours: a palette makes the file a third as large."""
    Image.open(path).convert("RGB").quantize(255, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


def main(photograph: Callable[[Browser, Path], None]) -> int:
    """Let the script take its pictures, into the folder its command line names or FOLDER."""
    path = chromium_path()
    if path is None:
        sys.stderr.write("screenshots: no chromium on PATH\n")
        return 1
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with chromium(path) as browser:
        photograph(browser, folder)
    return 0
