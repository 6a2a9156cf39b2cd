"""The command's jobs as functions: same options, same results, nothing printed."""

import argparse
import importlib
from pathlib import Path
from typing import Any

import pytest

import chunk7
from chunk7 import api
from chunk7.delivery.effects import Confirmed, ReadHistory, SendHistory, SendWelcome, Subscribe
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.options import Parser

SAMPLE = Path(__file__).parents[2] / "notebooks" / "sample_run"


@connect_ordering()
def unconfirmed(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield SendWelcome()


@connect_ordering()
def subscribe_then_history(join: Join) -> ConnectSteps:
    """Another than ours of that name."""
    yield Subscribe()
    yield Confirmed()


@connect_ordering()
def yields_a_number(join: Join) -> ConnectSteps:
    yield 7  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "options", "left_out"),
    [
        ("run", api.RunOptions, {"connect", "write", "json"}),
        (
            "explore",
            api.ExploreOptions,
            {"connect", "write", "json", "seed", "out", "show", "verbose", "fail_on", "survival"}
            | {"liveness", "promela", "properties", "case"},
        ),
        ("simulate", api.SimulateOptions, {"connect", "write", "json", "out", "threshold"}),
    ],
)
def test_the_options_of_a_function_are_those_of_its_command(
    name: str, options: Any, left_out: set[str]
) -> None:
    parser = Parser(prog="chunk7")
    importlib.import_module(f"chunk7.commands.{name}").add_parser(parser.add_subparsers())
    [subparsers] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    words = {
        word
        for action in subparsers.choices[name]._actions
        for word in action.option_strings
        if action.dest not in left_out | {"help"}
    }
    ours = {api._words(option, 1)[0].partition("=")[0] for option in options.__annotations__}
    assert ours == words


@pytest.mark.parametrize(
    ("connect", "write"),
    [
        ("history_then_subscribe,buffered_merge", "atomic_lua"),
        (["history_then_subscribe", "buffered_merge"], ["atomic_lua"]),
        (
            [CONNECT_ORDERINGS["history_then_subscribe"], "buffered_merge"],
            WRITE_ORDERINGS["atomic_lua"],
        ),
    ],
)
def test_orderings_may_be_named_listed_and_given_as_objects(connect: Any, write: Any) -> None:
    found = chunk7.explore(connect, write, chunks=1)
    assert {finding.name: finding.verdict for finding in found} == {
        "history_then_subscribe x atomic_lua": "loses",
        "buffered_merge x atomic_lua": "lossless",
    }
    simulated = chunk7.simulate(connect, write, connections=500, seed=3)
    assert [result.name for result in simulated.results] == [finding.name for finding in found]


def test_an_ordering_object_of_ones_own_is_explored_and_simulated(
    capfd: pytest.CaptureFixture[str],
) -> None:
    [finding] = chunk7.explore(unconfirmed, "atomic_lua", chunks=1)
    assert (finding.name, finding.verdict) == ("unconfirmed x atomic_lua", "loses")
    assert "send SUBSCRIBE" in str(finding.drawing)
    [result] = chunk7.simulate(unconfirmed, "atomic_lua", connections=500).results
    assert result.connections == 500
    assert capfd.readouterr() == ("", "")


def test_a_file_is_an_ordering_too(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text((SAMPLE.parents[1] / "nodes/connect/history_then_subscribe.py").read_text())
    [finding] = chunk7.explore(f"{path}:history_then_subscribe", "atomic_lua", chunks=1)
    assert finding.verdict == "loses"


def test_a_number_of_ms_is_a_distribution_that_does_not_vary() -> None:
    one, other = (
        chunk7.simulate("buffered_merge", "atomic_lua", connections=200, node_work_ms=work)
        for work in (8, "constant(8)")
    )
    assert one == other


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: chunk7.explore(chunks=0), "--chunks 0: must be between 1 and"),
        (lambda: chunk7.explore("nothing"), "--connect nothing: one of history_then_subscribe"),
        (lambda: chunk7.explore(faults=["rain"]), "--faults rain: one of"),
        (lambda: chunk7.explore("redis_streams", "atomic_lua"), "pairs with none of"),
        (lambda: chunk7.simulate(duty=2), "--duty 2: must be between"),
        (lambda: chunk7.simulate(subscribe_then_history), "there already is one named"),
        (lambda: chunk7.run(users=0), "--users 0: must be between 1 and"),
        (lambda: chunk7.run(thresholds=["speed<=3"]), "speed"),
        (lambda: chunk7.run(colour="red"), "unrecognized arguments: --colour=red"),  # type: ignore[call-arg]
        (lambda: chunk7.compare(SAMPLE, SAMPLE, {"loss_rate": -1}), "margins: loss_rate=-1"),
        (lambda: chunk7.report(SAMPLE, thresholds=["speed<=3"]), "speed"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_the_option(call: Any, line: str) -> None:
    with pytest.raises(chunk7.UsageError) as caught:
        call()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_ordering_that_breaks_the_protocol_is_named() -> None:
    with pytest.raises(OrderingError, match="7, which is no effect"):
        chunk7.explore(yields_a_number, "atomic_lua")


def test_other_processes_cannot_load_what_is_in_no_file() -> None:
    names: dict[str, Any] = {"connect_ordering": connect_ordering}
    exec("@connect_ordering()\ndef typed_in(join):\n    yield 1", names)  # noqa: S102
    with pytest.raises(chunk7.UsageError, match=r"--connect: typed_in is in no \.py file"):
        chunk7.run(names["typed_in"])


def test_a_report_and_a_comparison_take_a_folder_or_a_study(tmp_path: Path) -> None:
    study = chunk7.open_study(SAMPLE)
    written = chunk7.report(study, tmp_path / "a", ["loss_rate<=0.001"])
    again = chunk7.report(str(SAMPLE), tmp_path / "b", ["loss_rate<=0.001"])
    assert written.junit.read_bytes() == again.junit.read_bytes()
    assert chunk7.compare(study, str(SAMPLE)) == chunk7.compare(SAMPLE, study)
    with pytest.raises(chunk7.RecordError, match="is no run folder"):
        chunk7.compare(study, tmp_path)
