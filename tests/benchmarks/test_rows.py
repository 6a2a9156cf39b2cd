"""A file of rows comes back as it was written, and nothing else is taken for one."""

from pathlib import Path

import pytest

from benchmarks.rows import Row, read, spread, write

ALONE = Row("a chunk alone", "us", 20.0, {"picows": 24.0}, target=22, noise=0.1)
RATE = Row("joins", "1/s", 900.0, {"FastAPI": 1_200.0}, target=2_000, lower_is_better=False)


def test_comes_back_with_machine_versions_and_commit(tmp_path: Path) -> None:
    write(tmp_path / "rows.json", [ALONE, RATE], packages=("rich",))
    found = read(tmp_path / "rows.json")
    assert found.rows == [ALONE, RATE]
    assert {"Python", "gevent", "rich"} <= found.versions.keys()
    assert "cores" in found.machine
    assert found.commit


def test_a_ratio_over_one_is_ahead_whichever_way_is_better() -> None:
    assert ALONE.ratio("picows") == 1.2
    assert RATE.ratio("FastAPI") == 0.75
    assert (ALONE.met, RATE.met, Row("x", "s", 1.0).met) == (True, False, None)


def test_noise_is_the_spread_over_the_median() -> None:
    assert spread([10.0, 12.0, 11.0]) == (11.0, 2 / 11)
    assert spread([0.0]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ('{"what": "x", "unit": "us", "chunk7": "fast"}', r"Expected `float`"),
        ('{"what": "x", "unit": "us", "chunk7": -1}', r"Expected `float` >= 0"),
        ('{"what": "x", "unit": "us"}', "missing required field `chunk7`"),
        ('{"what": "x", "unit": "us", "chunk7": 1, "peer": {}}', "unknown field `peer`"),
    ],
    ids=["text", "negative", "missing", "unknown"],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path, row: str, wrong: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(f'{{"machine": "m", "versions": {{}}, "commit": "c", "rows": [{row}]}}')
    with pytest.raises(ValueError, match=rf"rows\.json: .*{wrong}"):
        read(path)
