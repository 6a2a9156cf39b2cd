from argparse import ArgumentParser, Namespace

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.web.form import SHOWN, Form, check_start

PAIRS = "history x publish; buffered x publish; buffered x lua; streams x append"
COMMAND_LINE = (
    *("--pairs", PAIRS, "--cells", "history x publish", "--chunk-rate", "37.50"),
    *("--store-delay", "http://h:1", "--store-latency-ms", "0", "--max-users", "500"),
    *("--fault-names", "node_kill,slow_client"),
)


def parser_and_options(form: Form, *arguments: str) -> tuple[ArgumentParser, Namespace]:
    """A parser, as it is when the form has declared itself, and what it read.

    Locust's own is one, but to import Locust would patch this process.
    """
    parser = ArgumentParser(add_help=False)
    form.declare(parser)
    return parser, parser.parse_args(list(arguments))


def offered(*arguments: str) -> dict[str, tuple[object, object]]:
    """By field of the form: its first value and its choices, once the command line is read."""
    form = Form()
    form.offer(parser_and_options(form, *arguments)[1])
    parser, again = parser_and_options(form, *arguments)
    return {
        action.dest: (getattr(again, action.dest), action.choices)
        for action in parser._actions
        if vars(action)["include_in_web_ui"]
    }


def test_the_form_has_what_a_test_is_about_and_none_of_what_the_cluster_is_made_of() -> None:
    assert set(offered(*COMMAND_LINE)) == set(SHOWN)


def test_orderings_are_dropdowns_of_those_that_there_are() -> None:
    fields = offered(*COMMAND_LINE)
    assert fields["connect"] == ("all", ["all", "history", "buffered", "streams"])
    assert fields["write"] == ("all", ["all", "publish", "lua", "append"])


def test_the_command_lines_own_number_is_among_the_choices() -> None:
    fields = offered(*COMMAND_LINE)
    chunk_rates = ["recorded", "5", "10", "20", "37.5", "50", "100", "200", "500"]
    assert fields["chunk_rate"] == ("37.5", chunk_rates)
    assert fields["sessions"] == ("10", ["1", "2", "5", "10", "20", "50", "100", "200"])


def test_latency_that_cannot_be_changed_is_not_offered() -> None:
    assert "store_latency_ms" not in offered("--pairs", PAIRS)


def test_faults_are_typed_beside_the_names_of_those_that_this_cluster_can_have() -> None:
    assert offered(*COMMAND_LINE, "--faults", "node_kill@2s")["faults"] == ("node_kill@2s", None)
    form = Form()
    form.offer(parser_and_options(form, *COMMAND_LINE)[1])
    parser, _ = parser_and_options(form)
    (shown,) = [action for action in parser._actions if action.dest == "faults"]
    assert shown.help == "what strikes, NAME@AT, separated by ;: node_kill, slow_client"


def test_faults_that_nobody_carries_out_are_not_offered_and_not_taken() -> None:
    assert "faults" not in offered("--pairs", PAIRS)
    given = parser_and_options(Form(), "--pairs", PAIRS)[1]
    form = {"user_count": "10", "spawn_rate": "10", "faults": "node_kill@1s"}
    with pytest.raises(UsageError, match="--faults node_kill@1s: not with this cluster: nobody"):
        check_start(given, "ws://h:1", form, False)


def test_without_a_list_orderings_are_typed() -> None:
    assert offered()["connect"] == ("all", None)


def check(*, running: bool = False, **form: str) -> None:
    """A start with this form, of a Locust that was started with COMMAND_LINE."""
    given = parser_and_options(Form(), *COMMAND_LINE)[1]
    before = dict(vars(given))
    try:
        users = {"user_count": "10", "spawn_rate": "10"}
        check_start(given, "ws://h:1", {**users, **form}, running)
    finally:
        assert vars(given) == before


def test_a_good_form_passes() -> None:
    check(connect="buffered", write="lua", sessions="5", once="true", run_time="10s")
    check(faults="node_kill@1s..2s; slow_client@1s:for=500ms")
    check(connect="all", write="all", store_latency_ms="2.5", chunk_rate="recorded")


@pytest.mark.parametrize(
    ("form", "line"),
    [
        (
            {"connect": "nobody"},
            "--connect: 'nobody' is not all and none of history, buffered, str",
        ),
        (
            {"connect": "streams", "write": "lua"},
            "--write: lua does not go with streams, which goe",
        ),
        ({"chunk_rate": "fast"}, "--chunk-rate fast: want a number, or recorded"),
        ({"sessions": "0"}, "--sessions 0: must be between 1 and 10000"),
        ({"sessions": "2.5"}, "--sessions 2.5: want a whole number"),
        ({"node_work_ms": "nan"}, "--node-work-ms nan: must be between 0 and 10000"),
        ({"save_lag_ms": "-1"}, "--save-lag-ms -1: must be between 0 and 10000"),
        ({"store_latency_ms": "1e9"}, "--store-latency-ms 1e9: must be between 0 and 10000"),
        ({"duration_s": ""}, "--duration '': want a number"),
        ({"duration_s": "10", "node_work_ms": "4000"}, "--duration: a join may take 6206 ms"),
        ({"faults": "node_kill"}, "--fault 'node_kill': want NAME@AT[:KEY=VALUE,...]"),
        ({"faults": "flood@1s"}, "--fault 'flood': one of "),
        ({"faults": "node_kill@1h"}, "--fault node_kill: the moment"),
        ({"faults": "node_kill@9999s"}, "--fault node_kill@9999s: it would last until"),
        ({"faults": "store_kill_pubsub@1s"}, "--faults store_kill_pubsub@1s: not with this clu"),
        ({"user_count": "0"}, "users 0: must be between 1 and 500"),
        ({"user_count": "501"}, "users 501: must be between 1 and 500"),
        ({"user_count": "many"}, "users many: want a whole number"),
        ({"spawn_rate": "0"}, "users started a second 0: must be between 0.01 and 100000"),
        ({"spawn_rate": "inf"}, "users started a second inf: must be between 0.01 and 100000"),
        ({"host": "http://h:1"}, "host: only ws://h:1, which Locust was started with (--host)"),
        ({"host": "ws://victim:1"}, "host: only ws://h:1, which Locust was started with"),
        ({"records": "/etc"}, "records cannot be set here: none of connect, write, sessions"),
        ({"producer": "http://h:2"}, "producer cannot be set here"),
        ({"conect": "buffered"}, "conect cannot be set here"),
    ],
)
def test_a_start_that_cannot_be_is_refused_in_one_line(form: dict[str, str], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(**form)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_latency_that_nothing_makes_cannot_be_asked_for() -> None:
    given = parser_and_options(Form(), "--pairs", PAIRS)[1]
    users = {"user_count": "10", "spawn_rate": "10"}
    check_start(given, "ws://h:1", {**users, "store_latency_ms": "0.0"}, False)
    with pytest.raises(UsageError, match="--store-latency-ms: this cluster has no delay before"):
        check_start(given, "ws://h:1", {**users, "store_latency_ms": "2"}, False)


def test_while_a_test_runs_only_the_number_of_users_can_be_changed() -> None:
    check(running=True, user_count="20", connect="all", chunk_rate="37.5", sessions="10")
    with pytest.raises(UsageError, match="connect cannot be changed while a test runs"):
        check(running=True, connect="buffered")
