"""Flat and lossless over two minutes of joins and mishaps; `make soak` has the half hour."""

import json
from collections import Counter

import pytest

from benchmarks.soak import CHUNKS, Line, Soaked, fitted, soak


def test_the_line_through_samples_ends_where_they_do() -> None:
    samples = [{"at_s": at, "n1 files": 10 + 2 * at} for at in (0.0, 1.0, 2.0, 3.0)]
    assert fitted(samples) == {"n1 files": Line(10, 16)}


def test_what_is_not_flat_or_lost_is_said_with_the_seed() -> None:
    flat = {"n1 memory_mb": Line(80, 87), "n1 files": Line(16, 25), "n1 tasks": Line(12, 12)}
    assert Soaked(3, lines=flat).faults() == []
    steep = {"n1 memory_mb": Line(80, 90), "n1 files": Line(16, 27), "n1 tasks": Line(12, 23)}
    assert Soaked(3, due=400, lost=2, lines=steep).faults() == [
        "2 of 400 chunks never came (seed 3)",
        "n1 memory_mb: from 80.0 to 90.0, more than 88.0 (seed 3)",
        "n1 files: from 16.0 to 27.0, more than 26.0 (seed 3)",
        "n1 tasks: from 12.0 to 23.0, more than 22.0 (seed 3)",
    ]


def test_its_document_is_json() -> None:
    """Half an hour was lost at its end: `asdict` had counted the items of a Counter, as tuples."""
    done = Soaked(3, mishaps=Counter(silence=2), lines={"n1 files": Line(16, 25)})
    document = json.loads(json.dumps(done.document()))
    assert document["mishaps"] == {"silence": 2}
    assert document["lines"] == {"n1 files": [16, 25]}
    assert document["faults"] == []


@pytest.mark.live
@pytest.mark.lasting
@pytest.mark.timeout(300)
def test_two_minutes_lose_nothing_and_are_flat() -> None:
    """It mostly waits, and so takes one worker's time and little of the others'."""
    done = soak(120, seed=1)
    assert done.faults() == []
    assert done.due >= 4 * 8 * 4 * CHUNKS
    assert done.mishaps.keys() == {"cut_subscriptions", "cut_commands", "silence"}
