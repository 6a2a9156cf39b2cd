"""Record `notebooks/sample_run/` anew: `python -m notebooks.make_sample_run`, about a minute.

The first valid run of three is taken as it is. What is removed: what each process wrote before it
was gathered (`raw/`), logs, and what names the machine: paths, the boot's id, the kernel's build.
The tables are written again with closer encodings, row group by row group; a table must read
back equal.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from chunk7.analysis.manifest import Manifest, read_manifest, write_manifest
from chunk7.analysis.study import analyse

HERE = Path(__file__).parent
SAMPLE = HERE / "sample_run"
OPTIONS = (
    "--users", "100", "--sessions", "6", "--duration", "3",
    "--node-work-ms", "3", "--save-lag-ms", "6",
)  # fmt: skip
"""Both gaps are some milliseconds wide, so that a hundred connections an ordering show them."""
ATTEMPTS = 3
BOOT = "00000000-0000-0000-0000-000000000000"


def main() -> int:
    """Run, shrink, and put in the place of the sample that is there."""
    with tempfile.TemporaryDirectory() as scratch:
        for attempt in range(ATTEMPTS):
            run = Path(scratch) / f"run{attempt}"
            if _record(run):
                small = Path(scratch) / SAMPLE.name
                shrink(run, small)
                shutil.rmtree(SAMPLE, ignore_errors=True)
                shutil.copytree(small, SAMPLE)
                return 0
    sys.stderr.write(f"none of {ATTEMPTS} runs was valid: is the machine busy?\n")
    return 1


def _record(run: Path) -> bool:
    command = [sys.executable, "-m", "chunk7", "run", *OPTIONS, "--out", str(run), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=HERE.parent, timeout=300)
    return done.returncode == 0 and bool(json.loads(done.stdout)["valid"])


def shrink(run: Path, small: Path) -> None:
    """Copy what reading a run needs to the new folder `small`, and judge it there."""
    small.mkdir()
    write_manifest(small, _unnamed(read_manifest(run), small.name))
    for table in sorted(run.glob("*.parquet")):
        _rewrite(table, small / table.name)
    analyse(small)
    summary = small / "summary.json"
    summary.write_text(summary.read_text().replace(str(small), small.name))


def _unnamed(manifest: Manifest, name: str) -> Manifest:
    """Without paths and without the kernel's build."""
    extra = json.loads(json.dumps(manifest.extra))
    extra["argv"] = ["chunk7", "run", *OPTIONS, "--out", name]
    kernel = re.match(r"\w+-[\d.]+", extra["machine"]["kernel"])
    extra["machine"]["kernel"] = kernel[0] if kernel else ""
    return Manifest(
        plan=manifest.plan,
        traits=manifest.traits,
        explored=manifest.explored,
        settle_ms=manifest.settle_ms,
        extra=extra,
    )


def _rewrite(source: Path, target: Path) -> None:
    """Integers as differences, the rest from dictionaries, all of it through zstd."""
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        leaves = [file.schema.column(i) for i in range(len(file.schema))]
        integers = [leaf.path for leaf in leaves if leaf.physical_type in ("INT32", "INT64")]
        writer = pq.ParquetWriter(
            target,
            schema,
            compression="zstd",
            compression_level=19,
            column_encoding=dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
            use_dictionary=[leaf.path for leaf in leaves if leaf.path not in integers],
            write_page_checksum=True,
        )
        with writer:
            for group in range(file.num_row_groups):
                part = _one_boot(file.read_row_group(group))
                writer.write_table(part, row_group_size=max(part.num_rows, 1))
        whole = _one_boot(file.read())
    with pq.ParquetFile(target) as file:
        if not file.read().equals(whole, check_metadata=True):
            raise ValueError(f"{target} does not read back equal")


def _one_boot(table: pa.Table) -> Any:
    if "boot_id" not in table.column_names:
        return table
    if len(set(table["boot_id"].to_pylist())) > 1:
        raise ValueError("a sample of several hosts needs their boots told apart")
    at = table.column_names.index("boot_id")
    return table.set_column(at, table.field("boot_id"), pa.array([BOOT] * table.num_rows))


if __name__ == "__main__":
    sys.exit(main())
