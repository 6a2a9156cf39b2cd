"""The load test's parts, tied to Locust's events.

master or local runner: a RoundController orders the rounds and ends the test, Pages show how it
goes. worker or local runner: a WorkerState has what the users of the process share.
"""

import gc
import logging
import re
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from gevent.os import tp_read
from locust import log

from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.loadtest.metrics import report_lags, serve_metrics
from chunk7.loadtest.options import read_options
from chunk7.loadtest.round_controller import RoundController
from chunk7.loadtest.targets.own_nodes import refuse_foreign
from chunk7.loadtest.user import REQUEST_TYPE
from chunk7.loadtest.web.form import Form
from chunk7.loadtest.web.judge import JudgeClient
from chunk7.loadtest.web.pages import Pages
from chunk7.loadtest.web.report_file import add_to_report_file
from chunk7.loadtest.worker_state import WorkerState

logger = logging.getLogger(__name__)


def install(events: Any) -> None:
    """Make these events (`locust.events`) run the load test; for a locustfile, once."""
    form = Form()
    events.init_command_line_parser.add_listener(form.declare)
    events.init.add_listener(lambda **given: _prepare(form, **given))


def _prepare(form: Form, environment: Any, runner: Any, web_ui: Any, **_: Any) -> None:
    """Locust knows its options and has its runner."""
    parsed = environment.parsed_options
    if (parsed.headless or parsed.autostart) and not parsed.worker:
        try:
            refuse_foreign(read_options(parsed, environment.host))
        except UsageError as error:
            _exit(error)
    if not parsed.worker:
        controller = RoundController(runner)
        _follow_controller(environment, controller)
        _show(form, environment, controller, web_ui)
    if not parsed.master:
        environment.chunk7_worker = WorkerState(runner)
        _follow_worker(environment, environment.chunk7_worker)
    if parsed.worker:
        report_lags(environment, environment.chunk7_worker)
    elif environment.web_ui is not None:
        serve_metrics(environment, None if parsed.master else environment.chunk7_worker)
    # What was imported until now stays. Python's collector would walk all of it every ten seconds
    # or so, and every user would wait 70 ms meanwhile.
    gc.collect()
    gc.freeze()
    if parsed.held and not parsed.worker:
        tp_read(sys.stdin.fileno(), 1)


def _show(form: Form, environment: Any, controller: RoundController, web_ui: Any) -> None:
    parsed = environment.parsed_options
    try:
        pages = Pages(environment, controller, JudgeClient(parsed.delivery or ""))
        if web_ui is not None:
            form.offer(parsed)
    except UsageError as error:
        _exit(error)
    if web_ui is not None:
        pages.add_to(web_ui)
    if parsed.html_file:
        began_unix_s = time.time()
        environment.events.quitting.add_listener(
            lambda **_: add_to_report_file(Path(parsed.html_file), began_unix_s, pages.into_report)
        )


def _follow_worker(environment: Any, worker: WorkerState) -> None:
    def start(**_: Any) -> None:
        try:
            options = read_options(environment.parsed_options, environment.host)
        except UsageError:
            return  # the controller has said so, and ends the test
        worker.start(options)

    def quit_(**_: Any) -> None:
        environment.runner.stop()  # the users write down how they ended
        worker.close()
        if environment.parsed_options.worker:
            environment.process_exit_code = 0  # the master answers for the test

    environment.events.test_start.add_listener(start)
    environment.events.test_stop.add_listener(lambda **_: worker.stop())
    environment.events.quitting.add_listener(quit_)


def _follow_controller(environment: Any, controller: RoundController) -> None:
    def start(**_: Any) -> None:
        controller.forget()
        try:
            controller.start(read_options(environment.parsed_options, environment.host))
        except Chunk7Error as error:
            controller.fail(str(error), error.exit_code)

    def quit_(**_: Any) -> None:
        environment.process_exit_code = _exit_code(environment, controller)

    environment.events.test_start.add_listener(start)
    environment.events.spawning_complete.add_listener(lambda **_: controller.begin())
    environment.events.test_stop.add_listener(lambda **_: controller.stop())
    environment.events.quitting.add_listener(quit_)
    environment.events.quit.add_listener(lambda **_: _say(controller.failure))


def _exit(error: UsageError) -> NoReturn:
    _say(str(error))
    sys.exit(error.exit_code)


def _say(line: str) -> None:
    """The one clear line, after all of Locust's."""
    if line:
        sys.stderr.write(f"chunk7: {line}\n")
        sys.stderr.flush()


def _exit_code(environment: Any, controller: RoundController) -> int:
    """Failed requests are results; 1 only if no connection at all was made, or we broke."""
    if controller.exit_code:
        return controller.exit_code
    connects = environment.stats.entries.get(("connect", REQUEST_TYPE))
    tried, failed = (connects.num_requests, connects.num_failures) if connects else (0, 0)
    none_made = tried == failed and (tried > 0 or controller.rounds_over > 0)
    if none_made:
        controller.failure = f"not one connection was made ({tried} tried){_why(environment.stats)}"
        logger.error(controller.failure)
    broken = environment.runner.exceptions or log.unhandled_greenlet_exception
    return 1 if none_made or broken else 0


def _why(stats: Any) -> str:
    """The commonest error of those that connected, as they said it."""
    errors = [error for error in stats.errors.values() if error.name == "connect"]
    if not errors:
        return ""
    commonest = str(max(errors, key=lambda error: error.occurrences).error)
    quoted = re.fullmatch(r"""\w+\((['"])(.*)\1\)""", commonest)  # as Python shows an exception
    return f": {quoted[2] if quoted else commonest}"
