"""Rows of benchmarks/end_to_end.py: a load is carried if most of its runs were."""

from benchmarks.end_to_end import Step, as_rows, together

LATE = "locust was saturated"


def run(users: int, chunk_rate: int, verified_s: float, why: str = "") -> Step:
    return Step(users, chunk_rate, verified_s, why, 1, int(not why))


def test_a_step_counts_if_most_of_its_runs_are_valid() -> None:
    one, other = run(1_000, 75, 71_000.0), run(1_000, 75, 70_000.0, LATE)
    assert together([one, one, other]) == Step(1_000, 75, 71_000.0, LATE, 3, 2)
    assert together([one, one, other]).counts
    assert not together([one, other, other]).counts
    assert not together([one, other]).counts


def test_the_best_that_was_carried_is_told_and_what_was_not() -> None:
    """Of a single round once in a while a load passed that did not the next time."""
    few, many = run(720, 50, 34_000.0), run(1_000, 75, 71_000.0)
    lucky = together([many, run(1_000, 75, 70_000.0, LATE), run(1_000, 75, 69_000.0, LATE)])
    best, users = as_rows([few, lucky])
    assert (best.chunk7, users.chunk7) == (34_000.0, 720)
    assert best.note == users.note == f"1000 users x 75/s, 1 of 3 runs valid: {LATE}"


def test_users_who_get_more_than_was_asked_count() -> None:
    _, users = as_rows([run(720, 50, 34_000.0), run(1_000, 75, 71_000.0), run(2_000, 25, 40_000.0)])
    assert users.chunk7 == 1_000


def test_nothing_that_was_carried_is_0() -> None:
    assert [row.chunk7 for row in as_rows([run(240, 50, 11_000.0, LATE)])] == [0.0, 0]
