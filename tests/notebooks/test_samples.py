"""The samples are small, whole, valid, and say nothing of the machine that they come from."""

import json
import re
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from chunk7 import open_study, read_summary
from chunk7.analysis.sweep_table import read_document
from notebooks.make_sample_run import OPTIONS, SAMPLE, shrink
from notebooks.make_sample_sweep import SAMPLE as SWEEP

MOST_BYTES = 1_500_000
MACHINE = re.compile(r"/\w+/|\.venv|localhost|127\.0\.0\.1|\bhttps?:|@\w")


def test_the_sample_run_is_what_its_summary_says_today() -> None:
    """`make sample-run` records a new one, should judging change its meaning."""
    study = open_study(SAMPLE)
    assert study.summary.valid
    assert msgspec.structs.replace(study.summary, run_dir=SAMPLE.name) == read_summary(SAMPLE)
    assert study.losses["cause"].nunique() > 1, "it shows both ways to lose a chunk"


def test_the_samples_are_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*")) < MOST_BYTES
    assert sum(path.stat().st_size for path in SWEEP.rglob("*")) < MOST_BYTES / 10


def test_the_samples_name_no_machine() -> None:
    texts = [(SWEEP / "sweep.json").read_text().replace("runs/", "")]
    texts += [(SAMPLE / name).read_text() for name in ("manifest.json", "summary.json")]
    for path in SAMPLE.glob("*.parquet"):
        table = pq.read_table(path)
        strings = [field.name for field in table.schema if str(field.type) == "string"]
        texts += [json.dumps(table[name].unique().to_pylist()) for name in strings]
    assert not [found for text in texts if (found := MACHINE.search(text))]


def test_the_sample_sweep_is_whole_and_holds_live_and_simulated_points() -> None:
    sweep = read_document(SWEEP)
    assert sweep.complete
    assert {point.by for point in sweep.points} == {"live", "simulation"}
    assert len(sweep.plan.factors) == 4


def test_shrinking_keeps_every_row_and_every_group(tmp_path: Path) -> None:
    shrink(SAMPLE, tmp_path / "small")
    for path in SAMPLE.glob("*.parquet"):
        kept, new = pq.ParquetFile(path), pq.ParquetFile(tmp_path / "small" / path.name)
        assert new.read().equals(kept.read(), check_metadata=True)
        assert new.num_row_groups == kept.num_row_groups
    manifest = json.loads((tmp_path / "small" / "manifest.json").read_text())
    assert manifest["extra"]["argv"] == ["chunk7", "run", *OPTIONS, "--out", "small"]


@pytest.mark.parametrize("leftover", ["raw", "logs", "store", "nginx", "pids.json"])
def test_the_sample_run_has_nothing_that_reading_does_not_need(leftover: str) -> None:
    assert not (SAMPLE / leftover).exists()
