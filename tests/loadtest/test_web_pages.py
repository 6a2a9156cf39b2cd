"""Locust's web UI with ours in it: the `locust` command, a judge of the test's, and HTTP.

What of Locust it relies on breaks here first when Locust changes.
"""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from request_kit import raw_status
from web_kit import Courtroom, courtroom, judged

from chunk7.cluster.deployments.probes import free_ports
from chunk7.loadtest.web.pages import INDEX, REPORT, STATS, SWARM, until_stopped

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
LOCUST = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtest/locustfile.py")]
PAIRS = "history x publish; buffered x publish; buffered x lua"


@pytest.fixture(scope="module")
def judge() -> Iterator[Courtroom]:
    with courtroom() as room:
        yield room


@pytest.fixture(autouse=True)
def fresh(judge: Courtroom) -> None:
    """A judge as it is at first."""
    judge.body = json.dumps(judged()).encode()
    judge.release.set()


@pytest.fixture(scope="module")
def web(judge: Courtroom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Locust's URL; there is neither a node nor a producer."""
    with locust(judge, tmp_path_factory.mktemp("web")) as url:
        yield url


@contextmanager
def locust(judge: Courtroom, folder: Path, **more: object) -> Iterator[str]:
    """The URL of a Locust that listens where it does by default."""
    [port] = free_ports(1)
    options = {
        "--host": "ws://127.0.0.1:9",
        "--producer": "http://127.0.0.1:9",
        "--records": folder / "raw",
        "--pairs": PAIRS,
        "--cells": "history x publish",
        "--delivery": judge.url,
        "--users": 3,
        "--web-port": port,
        **{f"--{name.replace('_', '-')}": value for name, value in more.items()},
    }
    words = [str(word) for pair in options.items() for word in pair]
    with (folder / "locust.log").open("wb") as log:
        process = subprocess.Popen([*LOCUST, *words], stdout=log, stderr=log, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: status(url) == 200, folder / "locust.log")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def wait_until(holds: object, log: Path | None = None, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if holds():  # type: ignore[operator]
            return
        time.sleep(0.02)  # poll, bounded by the deadline
    pytest.fail(log.read_text() if log else "it did not come about")


def get(url: str, **form: object) -> tuple[int, str, str]:
    """Status, content type, text."""
    body = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(url, body, timeout=20) as answer:  # noqa: S310 - ours
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def status(url: str) -> int:
    try:
        return get(url)[0]
    except OSError:
        return 0


def until_table(web: str, has: str) -> str:
    """The table, as soon as it has this; an answer is kept for a second."""
    wait_until(lambda: has in get(f"{web}/delivery/table")[2], timeout_s=10)
    return get(f"{web}/delivery/table")[2]


def template_args(web: str) -> dict[str, object]:
    found = re.search(r"window\.templateArgs = (\{.*\})", get(f"{web}/")[2])
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("state", "told"),
    [("cleanup", "running"), ("stopping", "running"), ("stopped", "stopped"), ("ready", "ready")],
)
def test_locusts_page_goes_on_asking_until_a_test_has_stopped(state: str, told: str) -> None:
    document = {"stats": [{"name": "cleanup"}], "state": state, "workers": [{"state": "cleanup"}]}
    assert json.loads(until_stopped(json.dumps(document))) == {**document, "state": told}


def test_locusts_page_gets_the_tab_the_downloads_and_our_script(web: str) -> None:
    given = template_args(web)
    assert given["extended_tabs"] == [{"title": "Delivery", "key": "delivery"}]
    assert [file["href"] for file in given["extended_csv_files"]] == [  # type: ignore[attr-defined]
        "./delivery/csv",
        "./delivery",
    ]
    page = get(f"{web}/")[2]
    assert page.count('<script src="./delivery/files/tab.js"></script></body>') == 1


def test_the_endpoints_that_are_altered_are_locusts() -> None:
    script = (
        "from locust.env import Environment; from locust.web import WebUI\n"
        "env = Environment(); env.create_local_runner()\n"
        "print(*WebUI(env, '127.0.0.1', 0, delayed_start=True).app.view_functions)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert {INDEX, SWARM, REPORT, STATS} <= set(found.stdout.split())


def test_the_forms_fields_are_in_our_order_with_choices(web: str) -> None:
    fields = template_args(web)["extra_options"]
    assert isinstance(fields, dict)
    assert list(fields)[:3] == ["connect", "write", "sessions"]
    assert fields["connect"]["choices"] == ["all", "history", "buffered"]
    assert not {"producer", "records", "delivery", "run_name", "fill_gaps"} & set(fields)
    # Locust shows the help as it is declared: it read "... (default: %(default)s)".
    assert not [field["help_text"] for field in fields.values() if "%(" in field["help_text"]]


@pytest.mark.parametrize("name", ["tab.js", "charts.js", "delivery.css"])
def test_its_files_are_served(web: str, name: str) -> None:
    assert get(f"{web}/delivery/files/{name}")[0] == 200


@pytest.mark.parametrize("path", ["/delivery", "/delivery/table", "/stats/report"])
def test_every_page_escapes_what_it_is_told(web: str, path: str) -> None:
    until_table(web, "1 of 2 orderings lost chunks")
    text = get(f"{web}{path}")[2]
    assert "own &#34;fix&#34;, &lt;b&gt;" in text
    assert 'own "fix", <b>' not in text


@pytest.mark.parametrize("path", ["/delivery/table", "/stats/report"])
def test_no_page_has_a_control_character_of_a_name(web: str, judge: Courtroom, path: str) -> None:
    strange = judged()
    strange["results"][1] = {**strange["results"][1], "connect": "own\x1b[2J", "write": "w\u202e"}
    judge.body = json.dumps(strange).encode()
    until_table(web, r"own\x1b[2J")
    text = get(f"{web}{path}")[2]
    assert not set(text) & {"\x1b", "\u202e"}


def test_the_report_of_locust_has_the_table_in_both_themes_and_as_a_download(web: str) -> None:
    for query in ("theme=light", "theme=dark", "download=1"):
        report = get(f"{web}/stats/report?{query}")[2]
        assert report.count('<section class="chunk7" id="chunk7">') == 1, query
        assert "1.8% to 3.5%" in report
        assert "window.theme" in report


def test_the_csv_is_a_download_of_the_same_numbers(web: str) -> None:
    code, kind, text = get(f"{web}/delivery/csv")
    assert (code, kind) == (200, "text/csv; charset=utf-8; header=present")
    assert text.splitlines()[1].startswith(
        "3,2,yes,history_then_subscribe,publish_then_save,1200,30"
    )


@pytest.mark.parametrize("body", [b"<html>", b'{"schema": 1}', b""])
def test_a_judge_that_answers_with_something_else_is_told_of(
    web: str, judge: Courtroom, body: bytes
) -> None:
    judge.body = body
    assert "Not judged" in until_table(web, "answered with something else")
    code, _, text = get(f"{web}/delivery/csv")
    assert (code, "answered with something else" in text) == (503, True)


def test_a_silent_judge_holds_up_nobody_and_is_told_of(web: str, judge: Courtroom) -> None:
    judge.release.clear()
    wait_until(lambda: "did not answer within 1.5 s" in get(f"{web}/delivery/table")[2])
    time.sleep(1.1)  # so that the judge is asked again, while Locust's own pages are fetched
    waiting = subprocess.Popen(
        [sys.executable, "-c", f"import urllib.request as r; r.urlopen('{web}/delivery/table')"]
    )
    try:
        asked = len(judge.asked)
        wait_until(lambda: len(judge.asked) > asked)
        get(f"{web}/exceptions")
        assert waiting.poll() is None, "Locust answered while the judge was being waited for"
    finally:
        judge.release.set()
        waiting.wait(10)


def test_however_many_look_the_judge_is_asked_once_a_second(web: str, judge: Courtroom) -> None:
    until_table(web, "orderings lost chunks")
    began, asked = time.monotonic(), len(judge.asked)
    for _ in range(30):
        get(f"{web}/delivery/table")
    assert len(judge.asked) - asked <= 1 + (time.monotonic() - began)
    assert set(judge.asked) == {"/delivery?from_round=1"}


def test_a_start_that_cannot_be_is_refused_in_the_form_and_nothing_begins(web: str) -> None:
    start = {"user_count": 3, "spawn_rate": 3}
    refused = json.loads(get(f"{web}/swarm", **start, connect="history", write="lua")[2])
    line = "--write: lua does not go with history, which goes with publish"
    assert (refused["success"], refused["message"]) == (False, line)
    for form in (
        {**start, "user_count": 0},
        {**start, "records": "/"},
        {**start, "sessions": "x"},
        {"spawn_rate": 3},
    ):
        assert json.loads(get(f"{web}/swarm", **form)[2])["success"] is False
    assert json.loads(get(f"{web}/stats/requests")[2])["state"] == "ready"


def test_a_server_of_another_system_is_refused_in_the_form(
    judge: Courtroom, tmp_path: Path
) -> None:
    foreign = judge.url.replace("http", "ws")
    with locust(judge, tmp_path, host=foreign) as web:
        refused = json.loads(get(f"{web}/swarm", user_count=3, spawn_rate=3, host=foreign)[2])
        assert refused["success"] is False
        line = f"--host {foreign} is no node of chunk7 (it answers HTTP "
        assert refused["message"].startswith(line)
        assert json.loads(get(f"{web}/stats/requests")[2])["state"] == "ready"


FORM = """Content-Type: application/x-www-form-urlencoded

user_count=1&spawn_rate=1&host=ws://victim.example"""
CROSS_SITE_SWARM = f"""
POST /swarm HTTP/1.1
Host: 127.0.0.1:PORT
Origin: http://evil.example
Sec-Fetch-Site: cross-site
Sec-Fetch-Mode: no-cors
{FORM}""".lstrip()
OTHER_PORT_SWARM = f"""
POST /swarm HTTP/1.1
Host: localhost:PORT
Origin: http://localhost:1
Sec-Fetch-Site: same-site
{FORM}""".lstrip()
SANDBOX_SWARM = f"""
POST /swarm HTTP/1.1
Host: 127.0.0.1:PORT
Origin: null
{FORM}""".lstrip()
REBOUND_SWARM = f"""
POST /swarm HTTP/1.1
Host: evil.example:PORT
Origin: http://evil.example:PORT
Sec-Fetch-Site: same-origin
{FORM}""".lstrip()
CROSS_SITE_STOP = """
POST /stop HTTP/1.1
Host: 127.0.0.1:PORT
Origin: http://evil.example""".lstrip()
CROSS_SITE_USER = """
POST /user HTTP/1.1
Host: 127.0.0.1:PORT
Origin: http://evil.example
Content-Type: text/plain

{"user_class_name": "ChatUser", "host": "ws://victim.example"}""".lstrip()
REBOUND_READ = """
GET /stats/requests HTTP/1.1
Host: evil.example:PORT""".lstrip()


@pytest.mark.parametrize(
    "request_",
    [
        CROSS_SITE_SWARM,
        OTHER_PORT_SWARM,
        SANDBOX_SWARM,
        REBOUND_SWARM,
        CROSS_SITE_STOP,
        CROSS_SITE_USER,
        REBOUND_READ,
    ],
)
def test_another_sites_page_starts_and_reads_nothing(web: str, request_: str) -> None:
    """A cross-site POST with a host of the page's choice was answered 200, and began."""
    assert raw_status(port_of(web), request_) == 403
    assert json.loads(get(f"{web}/stats/requests")[2])["state"] == "ready"


def test_the_target_stays_the_command_lines_whoever_asks(web: str) -> None:
    form = {"user_count": 1, "spawn_rate": 1, "host": "ws://victim.example"}
    answer = json.loads(get(f"{web}/swarm", **form)[2])
    line = "host: only ws://127.0.0.1:9, which Locust was started with (--host)"
    assert (answer["success"], answer["message"]) == (False, line)
    assert answer["host"] == "ws://127.0.0.1:9"


@pytest.mark.parametrize(
    "headers",
    [
        "Host: 127.0.0.1:PORT",
        "Host: localhost:PORT\nOrigin: http://localhost:PORT\nSec-Fetch-Site: same-origin",
    ],
)
def test_its_own_page_and_tools_are_let_in(web: str, headers: str) -> None:
    assert raw_status(port_of(web), f"POST /stats/reset HTTP/1.1\n{headers}") == 200


def test_a_link_on_any_page_opens_it_and_metrics_are_anybodys(web: str) -> None:
    link = "GET / HTTP/1.1\nHost: 127.0.0.1:PORT\nSec-Fetch-Site: cross-site"
    assert raw_status(port_of(web), link) == 200
    assert raw_status(port_of(web), "GET /metrics HTTP/1.1\nHost: locust:PORT") == 200


def test_it_listens_on_loopback_unless_told_otherwise(web: str) -> None:
    """Locust's own default is every interface."""
    found = [
        listener.laddr.ip
        for listener in psutil.net_connections("tcp")
        if listener.status == psutil.CONN_LISTEN and listener.laddr.port == port_of(web)
    ]
    assert found == ["127.0.0.1"]


def port_of(url: str) -> int:
    """The port in a URL."""
    return int(url.rpartition(":")[2])


def test_what_shows_only_later_ends_the_test_and_is_shown(web: str) -> None:
    assert json.loads(get(f"{web}/swarm", user_count=1, spawn_rate=1)[2])["success"] is True
    table = until_table(web, "The test was ended")
    assert "--producer http://127.0.0.1:9 does not answer" in table
    assert "orderings lost chunks" not in table


def test_the_file_of_html_has_the_table(judge: Courtroom, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    options = [
        *("--headless", "--once", "--host", "ws://127.0.0.1:9", "--producer", "http://127.0.0.1:9"),
        *("--html", str(report), "--delivery", judge.url, "--records", str(tmp_path / "raw")),
    ]
    subprocess.run([*LOCUST, *options], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert report.read_text().count('<section class="chunk7" id="chunk7">') == 1
    assert "1.8% to 3.5%" in report.read_text()
