"""What Locust's web server serves beside its own: the delivery of the running test.

| path | what it is |
|---|---|
| `/delivery` | charts over time, with the table |
| `/delivery/table` | the table alone, as it is in the tab and in the report |
| `/delivery/data` | the judge's answer as JSON, which the charts are drawn from |
| `/delivery/csv` | the table's numbers |
| `/delivery/files/NAME` | script and style of these |

Locust's own pages are altered where it has no setting for it, by Flask's hooks and at the endpoints
named in `INDEX`, `SWARM`, `REPORT`, `STATS`: the index loads a script more, a start is refused in
the form if it cannot be, the report has the table, and the end of a test is always seen. Before all
of them stands the check of `wire.origins`.
"""

import json
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, jsonify, request, send_from_directory
from jinja2 import Environment, PackageLoader

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.round_controller import RoundController
from chunk7.loadtest.targets.own_nodes import refuse_foreign
from chunk7.loadtest.web.form import check_start
from chunk7.loadtest.web.judge import JudgeClient
from chunk7.loadtest.web.side_by_side import SideBySide, ask_for_all
from chunk7.loadtest.web.view import COLUMNS, view
from chunk7.wire.live import as_csv
from chunk7.wire.origins import READS, UNCHECKED, origins_of
from chunk7.wire.visible import visible

INDEX, SWARM, REPORT = "locust.index", "locust.swarm", "locust.stats_report"
STATS = "locust.request_stats"
"""Endpoints of Locust's own."""
TAB = {"title": "Delivery", "key": "delivery"}
BODY_END = "</body>"
SCRIPT = '<script src="./delivery/files/tab.js"></script>'
"""Not deferred: Locust's own are, and read the tab to open from the address that it sets."""
PLAIN = "text/plain; charset=utf-8"
_FILES = Path(__file__).with_name("files")
_RUNNING = ("spawning", "running")
_ENDING = ("cleanup", "stopping")


class Pages:
    """The pages of one Locust process that has a web UI or writes a report.

    Raises UsageError for a bad --allow-host or --allow-origin.
    """

    def __init__(self, environment: Any, controller: RoundController, judge: JudgeClient) -> None:
        self._environment = environment
        self._controller = controller
        self._judge = judge
        self._host = environment.host
        self._origins = origins_of(environment.parsed_options.web_host, environment.parsed_options)
        self._templates = Environment(
            loader=PackageLoader("chunk7.loadtest.web", "files"),
            autoescape=True,
            trim_blocks=True,
            finalize=lambda value: visible(value) if type(value) is str else value,
        )

    def add_to(self, web_ui: Any) -> None:
        """Serve the pages, and alter Locust's own."""
        app: Flask = web_ui.app
        guard = web_ui.auth_required_if_enabled
        app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}  # of the form's fields
        web_ui.template_args |= {
            "extended_tabs": [TAB],
            "extended_csv_files": [
                {"href": "./delivery/csv", "title": "Download delivery CSV"},
                {"href": "./delivery", "title": "Live charts of delivery"},
            ],
        }
        prefix = self._environment.parsed_options.web_base_path
        pages = Blueprint("chunk7", __name__, url_prefix=prefix)
        served: dict[str, Callable[..., Any]] = {
            "/delivery": self._charts,
            "/delivery/table": self.table,
            "/delivery/data": self._data,
            "/delivery/csv": self._csv,
            "/delivery/files/<name>": self._file,
        }
        for path, page in served.items():
            pages.add_url_rule(path, path.replace("/", "-"), guard(_named(page)))
        app.register_blueprint(pages)
        app.before_request(_named(self._refuse_foreign))
        app.before_request(guard(_named(self._refuse_bad_start)))
        app.after_request(self._alter)

    def table(self) -> str:
        """The table as HTML, with its headline."""
        return self._rendered("table.html.jinja")

    def into_report(self, report: str) -> str:
        """A report of Locust's with the table in it, at its end; unchanged if it has it already."""
        section = self._rendered("report.html.jinja", style=(_FILES / "delivery.css").read_text())
        body, end, rest = report.rpartition(BODY_END)
        if not end or 'id="chunk7"' in report:
            return report
        return f"{body}{section}{end}{rest}"

    # --- pages ---

    def _charts(self) -> str:
        return self._rendered("charts.html.jinja")

    def _data(self) -> Response:
        return Response(msgspec.json.encode(self._answer()), content_type="application/json")

    def _csv(self) -> Response:
        answer = self._answer()
        if answer.document is None:
            return Response(f"{answer.problem}\n", 503, content_type=PLAIN)
        tests = (*reversed(answer.earlier), answer)
        documents = [test.document for test in tests if test.document is not None]
        name = time.strftime("chunk7-delivery-%Y%m%dT%H%M%S.csv")
        return Response(
            as_csv(*documents),
            content_type="text/csv; charset=utf-8; header=present",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _file(self, name: str) -> Response:
        return send_from_directory(_FILES, name)

    def _answer(self) -> SideBySide:
        return ask_for_all(self._judge, self._controller.tests)

    def _rendered(self, template: str, **more: str) -> str:
        answer, now_unix_s = self._answer(), time.time()
        seen = view(answer, self._controller.failure, now_unix_s)
        earlier = [(test.title, view(test, "", now_unix_s)) for test in answer.earlier]
        tests = [(answer.title, seen), *earlier]
        found = self._templates.get_template(template)
        return found.render(view=seen, tests=tests, columns=COLUMNS, **more)

    # --- Locust's own ---

    def _refuse_foreign(self) -> Response | None:
        """Whatever is asked: other sites' pages can reach this port, and may do nothing here."""
        if request.path in UNCHECKED:
            return None
        foreign = self._origins.refusal(request.headers.items(), request.method in READS)
        return None if foreign is None else Response(f"{foreign}\n", 403, content_type=PLAIN)

    def _refuse_bad_start(self) -> Response | None:
        """Before Locust takes a start: in its form, what is wrong is said and nothing begins."""
        if request.endpoint != SWARM:
            return None
        environment = self._environment
        running = environment.runner.state in _RUNNING
        try:
            wanted = check_start(environment.parsed_options, self._host, request.form, running)
            refuse_foreign(wanted)
        except UsageError as error:
            return jsonify({"success": False, "message": str(error), "host": environment.host})
        return None

    def _alter(self, response: Response) -> Response:
        alter = {
            INDEX: lambda text: text.replace(BODY_END, f"{SCRIPT}{BODY_END}"),
            REPORT: self.into_report,
            STATS: until_stopped,
        }.get(request.endpoint or "")
        if alter is not None and response.status_code == 200:
            response.set_data(alter(response.get_data(as_text=True)))
        return response


def until_stopped(stats: str) -> str:
    """Statistics that call a test running until it has stopped.

    Our users take a moment to end. Locust's page asks no more once it has seen that they are about
    to, and would then never hear that they have: its button would say "Loading" for ever.
    """
    if not any(f'"{state}"' in stats for state in _ENDING):
        return stats
    document = json.loads(stats)
    if document["state"] in _ENDING:
        document["state"] = "running"
    return json.dumps(document)


def _named(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain function, which Flask and Locust's guard can set attributes of."""

    @wraps(function)
    def page(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return page
