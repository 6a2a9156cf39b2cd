"""A real Chromium, started once a module, without network."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from docs import photography


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser; skips where the machine has none.

    Playwright keeps an event loop running in this thread for as long as it is open, so no
    asynchronous test could run after it: not for the whole session.
    """
    path = photography.chromium_path()
    if path is None:
        pytest.skip("no chromium on PATH")
    with photography.chromium(path) as browser:
        yield browser
