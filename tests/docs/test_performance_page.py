"""docs/performance.md says what benchmarks/results.json has."""

from docs import make_performance as performance


def test_the_tables_are_those_of_the_results() -> None:
    written = performance.PAGE.read_text()
    written = written.partition(performance.BEGIN)[2].partition(performance.END)[0]
    results = performance.read(performance.RESULTS)
    assert written == performance.tables(results), "python -m benchmarks.bench --draw"


def test_every_measurement_has_rows_and_no_row_names_a_place_of_a_machine() -> None:
    results = performance.read(performance.RESULTS)
    assert [*results] == [*performance.TITLES]
    assert all(one.file.rows for one in results.values())
    notes = [row.note for one in results.values() for row in one.file.rows]
    assert not [note for note in notes if "/tmp" in note or "/work" in note]  # noqa: S108
