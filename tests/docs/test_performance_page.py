"""docs/performance.md says what benchmarks/results.json has."""

import msgspec

from docs import make_performance as performance


def test_the_tables_are_those_of_the_results() -> None:
    written = performance.PAGE.read_text()
    written = written.partition(performance.BEGIN)[2].partition(performance.END)[0]
    results = msgspec.json.decode(performance.RESULTS.read_bytes(), type=performance.Results)
    assert written == performance.tables(results), "python -m benchmarks.bench --draw"


def test_every_measurement_has_rows_and_no_row_names_a_place_of_a_machine() -> None:
    parts = performance.read(performance.RESULTS)
    assert [*parts] == [*performance.TITLES]
    assert all(parts.values())
    notes = [row.note for some in parts.values() for row in some]
    assert not [note for note in notes if "/tmp" in note or "/work" in note]  # noqa: S108
