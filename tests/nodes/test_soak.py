"""Flat and lossless over a while of joins, leaves and mishaps; `make soak` has the half hour."""

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


@pytest.mark.live
def test_a_short_soak_loses_nothing_and_is_flat() -> None:
    done = soak(10, seed=1, mishap_every_s=5)
    # Tasks and files come and go with clients: of ten seconds the line through them has no slope
    # that says anything. `make soak` has it; what a client leaves behind shows in the fuzz as well.
    comes_and_goes = ("tasks", "files")
    assert [one for one in done.faults() if one.split()[1].rstrip(":") not in comes_and_goes] == []
    assert done.due == 8 * 4 * CHUNKS
    assert done.mishaps.total() >= 3
