"""Seeded bad inputs against a real node; `make fuzz` has the long run of the same."""

import json
from collections import Counter
from itertools import islice

import pytest

from benchmarks.bad_inputs import KINDS, attacks
from benchmarks.fuzz_node import Fuzzed, Level, fuzz


def test_the_same_seed_gives_the_same_bad_inputs() -> None:
    first, again, other = (list(islice(attacks(seed, ("a", "b")), 500)) for seed in (1, 1, 2))
    assert first == again != other
    assert len({attack.kind for attack in first}) == len(KINDS)


def test_what_must_not_be_is_said_with_the_seed() -> None:
    level = Level(100, 16, 12)
    good = Fuzzed(7, levels=[level, level], exit_code=0)
    assert good.faults() == []
    good.leaks.append("a was served ['b']")
    good.levels.append(Level(200, 99, 99))
    good.exit_code = 1
    assert good.faults() == [
        """served somebody else's chunk: ["a was served ['b']"] (seed 7)""",
        "memory grew to 2.00 times (seed 7)",
        "descriptors: 16, then 99 (seed 7)",
        "tasks: 12, then 99 (seed 7)",
        "the node ended with 1 (seed 7)",
    ]


def test_its_document_is_json() -> None:
    level = Level(100, 16, 12)
    done = Fuzzed(7, Counter(text=3), levels=[level, level], strange_commands={"b", "a"})
    document = json.loads(json.dumps(done.document()))
    assert document["inputs"] == {"text": 3}
    assert document["strange_commands"] == ["a", "b"]
    assert (document["growth"], len(document["faults"])) == (1.0, 2)


@pytest.mark.live
def test_ten_thousand_bad_inputs_neither_harm_a_node_nor_disturb_its_good_clients() -> None:
    done = fuzz(10_000, seed=1)
    assert done.faults() == []
    assert done.inputs.total() >= 10_000
    assert len(done.inputs) == len(KINDS)
    assert done.written > 0
    assert Counter(done.statuses)["101"] > 1_000
