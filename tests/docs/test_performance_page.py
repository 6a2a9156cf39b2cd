"""docs/performance.md says what benchmarks/results.json has."""

from benchmarks import rows
from docs import make_performance as performance


def test_the_tables_are_those_of_the_results() -> None:
    written = performance.PAGE.read_text()
    written = written.partition(performance.BEGIN)[2].partition(performance.END)[0]
    results = performance.read(performance.RESULTS)
    assert written == performance.tables(results), "python -m benchmarks.bench --draw"


def test_every_measurement_has_rows_and_no_row_names_a_place_of_a_machine() -> None:
    results = performance.read(performance.RESULTS)
    assert [*results] == [name for name in performance.TITLES if name in results]
    assert all(one.file.rows for one in results.values())
    notes = [row.note for one in results.values() for row in one.file.rows]
    assert not [note for note in notes if "/tmp" in note or "/work" in note]  # noqa: S108


def _grown(what: str, *costs: float) -> rows.Row:
    """Costs of 1, 10, 100 and 1,000 in two rounds that are 1% apart."""
    sizes = (1.0, 10.0, 100.0, 1_000.0)
    points = [*zip(sizes, costs, strict=True)]
    points += [(size, 1.01 * cost) for size, cost in points]
    return rows.Row(what, "s", costs[-1], points=points)


def test_a_part_that_could_not_be_measured_is_said_in_its_place() -> None:
    """It went from the page without a word."""
    results = performance.read(performance.RESULTS)
    del results["explore"]
    told = performance.tables(results)
    missing = told.partition("### Exploring\n")[2].partition("###")[0]
    assert missing.strip().endswith("`make bench ARGS='--only explore'`.")
    assert told.index("### Simulating") < told.index("### Exploring") < told.index("### Beginning")


def test_growth_is_said_with_its_exponents() -> None:
    linear, square = _grown("linear", 2, 20, 200, 2_000), _grown("Square", 1, 100, 1e4, 1e6)
    noisy = _grown("noisy", 1, 30, 20, 3_000)
    first, second, third = performance.growth_table([linear, square, noisy]).splitlines()[2:]
    assert first == (
        "| linear | 1 to 1,000 | 2.01 to 2,000 s | 1.00 ± 0.00 | 1.00 ± 0.00 "
        "| no worse than linear |"
    )
    assert second.endswith("| 2.00 ± 0.00 | 2.00 ± 0.00 | worse than linear |")
    assert third.endswith("| too noisy to say |")
    assert performance.growth_sentence([linear]).startswith("Nothing is worse than linear")
    said = performance.growth_sentence([linear, noisy, square])
    assert said == "Worse than linear: Square. Too noisy to say: noisy."
    said = performance.growth_sentence([linear, noisy])
    assert said == "Nothing is surely worse than linear. Too noisy to say: noisy."
