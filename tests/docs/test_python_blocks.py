"""Every Python block of the docs is executed, and what the page shows is what comes out."""

import asyncio
import doctest
import json
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from websockets.asyncio.server import ServerConnection, serve

from chunk7.delivery import effects
from chunk7.delivery.ordering import Join
from chunk7.delivery.stepping import Steps
from chunk7.nodes.connect import history_then_subscribe

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(?P<kind>python|pycon)\n(?P<text>.*?)^```$", re.M | re.S)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.REPORT_NDIFF


def blocks(page: Path, kind: str) -> list[str]:
    return [found["text"] for found in BLOCK.finditer(page.read_text()) if found["kind"] == kind]


SESSIONS = [page for page in DOCS if blocks(page, "pycon")]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the samples where the checkout has them, to be written into."""
    for sample in ("sample_run", "sample_sweep"):
        shutil.copytree(ROOT / "notebooks" / sample, tmp_path / "notebooks" / sample)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", SESSIONS, ids=lambda page: page.name)
@pytest.mark.usefixtures("checkout")
def test_a_page_shows_what_python_answers(page: Path) -> None:
    text = "\n".join(blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    said: list[str] = []
    with pd.option_context("display.width", 100, "display.max_columns", 20):
        failed, tried = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append)
    assert not failed, "".join(said)
    assert tried


def test_every_python_block_is_executed_by_a_test() -> None:
    """Those of extending.md and your-own-*.md by test_walkthroughs.py, that of python-api.md
    by tests/front_door/test_strangers.py, that of targets.md by test_targets_page.py, that of
    exploration.md by tests/simulator/test_properties.py.
    """
    counts = {page.name: len(blocks(page, "python")) for page in DOCS}
    assert {name: count for name, count in counts.items() if count} == {
        "answers.md": 2,
        "exploration.md": 1,
        "extending.md": 5,
        "orderings.md": 1,
        "python-api.md": 1,
        "targets.md": 1,
        "your-own-client.md": 1,
        "your-own-ordering.md": 2,
    }


def test_the_ordering_shown_as_a_fragment_is_the_shipped_one() -> None:
    (fragment,) = blocks(ROOT / "docs" / "orderings.md", "python")
    names: dict[str, object] = dict(vars(effects))
    exec(f"def steps(join):\n{textwrap.indent(fragment, '    ')}", names)  # noqa: S102

    def asked_for(steps: Any) -> list[object]:
        """Its effects, when every answer is a text."""
        stepping, found = Steps(steps), []
        while stepping.effect is not None:
            found.append(stepping.effect)
            stepping.advance("an answer")
        return found

    shown = asked_for(names["steps"](Join("s")))  # type: ignore[operator]
    shipped = asked_for(history_then_subscribe.steps(Join("s")))
    assert shown == shipped[: len(shown)]
    assert len(shipped) - len(shown) <= 1  # the welcome


def test_the_recorder_of_server_sent_events_writes_what_answers_are_made_of(
    tmp_path: Path,
) -> None:
    class Stream(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            for text in ("Hé", "", "llo"):
                self.wfile.write(f"data: {json.dumps({'delta': text})}\n\n".encode())
            self.wfile.write(b": a comment\n\ndata: [DONE]\n\n")

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    with HTTPServer(("127.0.0.1", 0), Stream) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        lines = recorded(0, tmp_path, url)
    assert [line["text"] for line in lines] == ["Hé", "llo"]
    assert 0 <= lines[0]["at_ms"] <= lines[1]["at_ms"]


async def test_the_recorder_of_a_web_socket_writes_what_answers_are_made_of(tmp_path: Path) -> None:
    async def answer(socket: ServerConnection) -> None:
        for text in (str(await socket.recv()), "!"):
            await socket.send(text)

    async with serve(answer, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/"
        lines = await asyncio.to_thread(recorded, 1, tmp_path, url, "Hé")
    assert [line["text"] for line in lines] == ["Hé", "!"]


def recorded(block: int, folder: Path, *arguments: str) -> list[Any]:
    """What a recorder of answers.md prints, executed as a script."""
    script = folder / "record.py"
    script.write_text(blocks(ROOT / "docs" / "answers.md", "python")[block])
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        stdout=subprocess.PIPE,
        check=True,
        encoding="utf-8",
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
