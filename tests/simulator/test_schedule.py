"""A schedule file comes back as it was written, and a bad one is refused in one line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.errors import UsageError
from chunk7.simulator.explore.schedule import EFFECTS, Schedule, Step, document, dump, load, parse

ACTORS = ["producer", "store", "node1", "node2", "node1.join1", "node3.join2", "client2"]
steps = st.builds(
    Step, st.sampled_from(ACTORS), st.sampled_from(sorted(EFFECTS)), st.none() | st.integers(1, 3)
)
schedules = st.builds(
    Schedule,
    connect=st.sampled_from(["buffered_merge", "mine.py:mine"]),
    write=st.just("atomic_lua"),
    chunks=st.just(3),
    joiners=st.integers(1, 2),
    faults=st.sampled_from([(), ("trim",), ("trim", "slow_client")]),
    steps=st.lists(steps, max_size=5).map(tuple),
)
GOOD = document(Schedule("c", "w", 2, 1, (), (Step("store", "subscription"),)))


@given(schedules)
def test_a_document_is_parsed_to_what_it_was_made_from(schedule: Schedule) -> None:
    assert parse(json.loads(json.dumps(document(schedule)))) == schedule


def test_a_file_is_loaded_to_what_was_dumped(tmp_path: Path) -> None:
    schedule = Schedule(
        "c", "w", 2, 1, ("trim",), (Step("node1", "deliver", 2), Step("store", "trim"))
    )
    path = tmp_path / "schedule.json"
    dump(schedule, path)
    assert load(path) == schedule
    assert path.read_text() == (
        '{"schema": 1, "connect": "c", "write": "w", "chunks": 2, "joiners": 1, '
        '"faults": ["trim"], "resumes": false, "steps": [\n'
        '  {"actor": "node1", "effect": "deliver", "chunk": 2},\n'
        '  {"actor": "store", "effect": "trim", "chunk": null}\n'
        "]}\n"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 2}, "schema 2: must be 1"),
        ({"connect": 7}, "connect 7: want an ordering's name"),
        ({"write": ""}, "write '': want an ordering's name"),
        ({"chunks": 0}, "chunks 0: must be between 1 and 20"),
        ({"joiners": True}, "joiners True: must be between 1 and 2"),
        ({"faults": "trim"}, "faults: want a list of names"),
        ({"steps": [1]}, "steps: want a list of objects"),
        ({"steps": [{"actor": "god", "effect": "save"}]}, "step 1: actor 'god': producer, store"),
        ({"steps": [{"actor": "store", "effect": "melt"}]}, "step 1: effect 'melt': one of next_"),
        (
            {"steps": [{"actor": "producer", "effect": "save", "chunk": 3}]},
            "step 1: chunk 3: null, or 1 to 2",
        ),
    ],
)
def test_a_bad_field_is_named(change: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(GOOD | change)
    assert str(refusal.value).startswith(says)


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', "\x00"])
def test_a_file_that_is_no_schedule_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"bad\.json: "):
        load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: No such file"):
        load(tmp_path / "none.json")
