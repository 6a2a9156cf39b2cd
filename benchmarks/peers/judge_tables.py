"""The core of judging a run folder, as people write it with a library of tables.

    POLARS_MAX_THREADS=1 build/peers/bin/python benchmarks/peers/judge_tables.py LIBRARY FOLDER

Of each connection: how many chunks it received at least once, by session, number and content. No
late, lost or doubled chunk is told from another, nothing is said of time, cause or validity. Prints
JSON: `delivered` of all, `cpu_s` without imports, `peak_mib`.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

KEY = ["session_id", "seq", "digest"]
COLUMNS = ["connection_id", "session_id", "receipt_seq", "receipt_digest"]


def polars(folder: Path) -> Any:
    """Lazily, so that it reads only what it needs."""
    import polars as pl

    def work() -> int:
        published = pl.scan_parquet(folder / "published.parquet").select(KEY)
        received = (
            pl.scan_parquet(folder / "connections.parquet")
            .select(COLUMNS)
            .explode("receipt_seq", "receipt_digest")
            .rename({"receipt_seq": "seq", "receipt_digest": "digest"})
        )
        counts = (
            received.join(published, on=KEY, how="semi")
            .group_by("connection_id")
            .agg(pl.col("seq").n_unique())
        )
        return int(counts.collect()["seq"].sum())

    return work


def duckdb(folder: Path) -> Any:
    """One thread, as the others."""
    import duckdb as db

    def work() -> int:
        connection = db.connect()
        connection.execute("SET threads = 1")
        found = connection.execute(
            """
            WITH received AS (
                SELECT connection_id, session_id, unnest(receipt_seq) AS seq,
                       unnest(receipt_digest) AS digest
                FROM read_parquet($connections))
            SELECT sum(delivered) FROM (
                SELECT connection_id, count(DISTINCT seq) AS delivered
                FROM received SEMI JOIN read_parquet($published)
                USING (session_id, seq, digest)
                GROUP BY connection_id)
            """,
            {name: str(folder / f"{name}.parquet") for name in ("connections", "published")},
        ).fetchone()
        return int(found[0])

    return work


def pandas(folder: Path) -> Any:
    """The whole run in one frame."""
    import pandas as pd

    def work() -> int:
        published = pd.read_parquet(folder / "published.parquet", columns=KEY)
        table = pd.read_parquet(folder / "connections.parquet", columns=COLUMNS)
        received = table.explode(["receipt_seq", "receipt_digest"]).rename(
            columns={"receipt_seq": "seq", "receipt_digest": "digest"}
        )
        received = received.astype({"seq": "int32", "digest": "uint32"})
        merged = received.merge(published.astype({"seq": "int32"}), on=KEY)
        return int(merged.groupby("connection_id")["seq"].nunique().sum())

    return work


def main() -> None:
    """One library, one folder."""
    library, folder = sys.argv[1:]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    work = {"polars": polars, "duckdb": duckdb, "pandas": pandas}[library](Path(folder))
    begun_s = time.process_time()
    delivered = work()
    cpu_s = time.process_time() - begun_s
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"delivered": delivered, "cpu_s": cpu_s, "peak_mib": peak_mib}))


if __name__ == "__main__":
    main()
