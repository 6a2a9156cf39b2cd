"""Judging large runs on one core: wall and CPU time, and peak memory; prints analysis_scale.md's.

    python -m benchmarks.analysis_scale [--scratch DIR] [--receipts N ...] [--gather]
    python -m benchmarks.analysis_scale --json FILE [--rounds 3] [--receipts N]

Makes synthetic run folders under DIR once, in the format of chunk7.analysis.gather, and measures
`judge(load_run(folder))`, and `study(load_run(folder))`, of each in a process of its own that is
bound to one core. With `--gather` it makes the raw records of each instead, and measures
`gather(folder)`. With `--json` it measures one size, by default 10 million receipts, in turn with
what libraries of tables need for the core of it (benchmarks/peers/judge_tables.py, by the Python
that CHUNK7_PEERS_PYTHON names, as `make peers` installs it). Of a folder the
two cells are the losing pair and a fix: sessions stream 500 chunks at 50 a second, and
each of N / 500 clients joins one at a random moment, so it gets about half of them as history and
half live. Remove DIR afterwards: 100 million receipts take 0.7 GB, and 2.5 GB as raw records.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.rows import Row, spread, write
from chunk7.analysis import gather
from chunk7.analysis.manifest import Manifest, Traits, write_manifest
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.record_file import RecordFile
from chunk7.wire.records import TABLES
from chunk7.wire.tables import SCHEMA_VERSION, Via

CELLS = (
    Cell("history_then_subscribe", "publish_then_save"),
    Cell("buffered_merge", "atomic_lua"),
)
CHUNKS, SESSIONS, RATE = 500, 10, 50.0
MS = 1_000_000
PEERS = ("polars", "duckdb", "pandas")
BLOCK = 1_000
"""Connections made at a time."""
ROWS_PER_FLUSH = 10_000
MIB = 1 << 20
GIB = 1 << 20
"""In the KiB that getrusage counts."""


def main() -> None:
    """Make what is missing, measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    scratch = Path(tempfile.gettempdir(), "chunk7-scale")
    parser.add_argument("--scratch", type=Path, default=scratch, metavar="DIR")
    parser.add_argument("--receipts", type=int, nargs="+", default=[10_000_000], metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="compare, and write rows there")
    parser.add_argument("--gather", action="store_true", help="measure gathering instead")
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--judge-only", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make and args.gather:
        write_raw(args.scratch.with_name(str(args.make)), args.scratch)
    elif args.make:
        make(args.scratch, args.make)
    elif args.measure:
        way = measure_gather if args.gather else measure_judge if args.judge_only else measure
        print(json.dumps(way(args.scratch)))
    elif args.json:
        found = beside_peers(run_folder(args.scratch, args.receipts[0]), args.rounds)
        write(args.json, found, ("pandas",))
    elif args.gather:
        compare_gather(args.scratch, args.receipts)
    else:
        compare(args.scratch, args.receipts)


def compare(scratch: Path, sizes: list[int]) -> None:
    """One row a size."""
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}\n")
    print("| receipts | connections | load s | study s | CPU s | peak, GiB |")
    print("|---:|---:|---:|---:|---:|---:|")
    for size in sizes:
        folder = run_folder(scratch, size)
        found = json.loads(_child(folder, "--measure"))
        print(
            f"| {found['receipts']:,} | {found['connections']:,} | {found['load_s']:.2f} | "
            f"{found['study_s']:.2f} | {found['cpu_s']:.2f} | "
            f"{found['peak_kib'] / GIB:.2f} |"
        )


def compare_gather(scratch: Path, sizes: list[int]) -> None:
    """One row a size."""
    print("| receipts | raw records, MiB | gather s | CPU s | peak, GiB |")
    print("|---:|---:|---:|---:|---:|")
    for size in sizes:
        folder = scratch / f"{size}-raw"
        if not (folder / "raw").exists():
            run_folder(scratch, size)
            _child(folder, "--make", str(size), "--gather")
        found = json.loads(_child(folder, "--measure", "--gather"))
        raw = sum(path.stat().st_size for path in (folder / "raw").iterdir())
        print(
            f"| {size:,} | {raw / MIB:.0f} | {found['gather_s']:.2f} | {found['cpu_s']:.2f} | "
            f"{found['peak_kib'] / GIB:.2f} |"
        )


def beside_peers(folder: Path, rounds: int) -> list[Row]:
    """Judge, everything and the peers in turn; raises where they count differently."""
    ours, everything, peers = [], [], dict[str, list[dict[str, float]]]()
    python = Path(os.environ.get("CHUNK7_PEERS_PYTHON", "build/peers/bin/python"))
    for _ in range(rounds):
        ours.append(json.loads(_child(folder, "--measure", "--judge-only")))
        everything.append(json.loads(_child(folder, "--measure")))
        for library in PEERS if python.exists() else ():
            peers.setdefault(library, []).append(_peer(python, library, folder))
            if peers[library][-1]["delivered"] != ours[-1]["delivered"]:
                raise ValueError(f"{library} counts {peers[library][-1]}, chunk7 {ours[-1]}")
    millions = ours[0]["receipts"] / 1e6
    what, note = f"{millions:.0f} million receipts", "peers: only which chunks each client got"
    note = note if peers else f"no peers: {python} is missing, `make peers` installs it"

    def row(name: str, found: list[Any], key: str, unit: str, scale: float, target: float) -> Any:
        median, noise = spread([one[key] / scale for one in found])
        beside = {}
        if found is ours or key != "cpu_s":
            where = "peak_mib" if key == "peak_kib" else key
            beside = {peer: spread([o[where] for o in of])[0] for peer, of in peers.items()}
        return Row(f"{what}, {name}", unit, median, beside, target, noise=noise, note=note)

    return [
        row("load and judge, CPU", ours, "cpu_s", "s", 1, 1.0),
        row("everything, CPU", everything, "cpu_s", "s", 1, 2.5),
        row("everything, memory", everything, "peak_kib", "MiB", 1024, 300),
    ]


def _peer(python: Path, library: str, folder: Path) -> dict[str, float]:
    script = Path(__file__).with_name("peers") / "judge_tables.py"
    done = subprocess.run(
        [python, script, library, folder],
        env={**os.environ, "POLARS_MAX_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_judge(folder: Path) -> dict[str, Any]:
    """Load and judge a folder on one core, nothing else; seconds of processor."""
    _on_one_core()
    from chunk7 import judge, load_run

    cpu_s = time.process_time()
    accounts = judge(load_run(folder)).accounts
    return {
        "cpu_s": time.process_time() - cpu_s,
        "receipts": int(accounts["receipts"].sum()),
        "delivered": int(accounts["delivered"].sum()),
    }


def measure_gather(folder: Path) -> dict[str, float]:
    """Gather a folder's raw records on one core; seconds and KiB."""
    _on_one_core()
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    gather.gather(folder)
    return {
        "gather_s": time.perf_counter() - begun_s,
        "cpu_s": time.process_time() - cpu_s,
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def measure(folder: Path) -> dict[str, Any]:
    """Judge a folder on one core; seconds of each stage, and KiB."""
    _on_one_core()
    from chunk7 import load_run
    from chunk7.analysis.study import study

    instants, cpu_s = [time.perf_counter()], time.process_time()
    run = load_run(folder)
    instants.append(time.perf_counter())
    judged = study(run)
    instants.append(time.perf_counter())
    load_s, study_s = np.diff(instants)
    if judged.summary.invalid_because:
        sys.exit(f"{folder} should be valid, but {judged.summary.invalid_because}")
    return {
        "receipts": int(judged.judgement.accounts["receipts"].sum()),
        "connections": len(run.connections),
        "load_s": load_s,
        "study_s": study_s,
        "cpu_s": time.process_time() - cpu_s,
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def _on_one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def measured(folder: Path) -> str:
    """What `measure` finds of a folder in a process of its own, as JSON."""
    return _child(folder, "--measure")


def run_folder(scratch: Path, size: int) -> Path:
    """The run folder of about so many receipts, made if it is missing."""
    folder = scratch / str(size)
    if not (folder / "connections.parquet").exists():
        _child(folder, "--make", str(size))
    return folder


def _child(folder: Path, *what: str) -> str:
    """Run a stage by itself: a child's peak begins at its parent's, so here no work is done."""
    command = [sys.executable, "-m", "benchmarks.analysis_scale", "--scratch", str(folder), *what]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


# --- a run folder that nobody ran -----------------------------------------------------------


def make(folder: Path, receipts: int) -> None:
    """Write a run folder of about so many receipts."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    length_ms = round(CHUNKS / RATE * 1_000)
    plan = Plan(
        run="scale", cells=list(CELLS), seed=7, sessions=SESSIONS, duration_ms=length_ms,
        settle_ms=500, chunk_rate=RATE,
    )  # fmt: skip
    traits = {CELLS[0].connect: Traits(), CELLS[1].connect: Traits(merges=True)}
    write_manifest(folder, Manifest(plan=plan, traits=traits))
    connections = receipts // CHUNKS // len(CELLS)
    made = [_cell(rng, cell, connections, length_ms) for cell in range(len(CELLS))]
    for name in ("published", "joins"):
        tables = [_table(name, part[name]) for part in made]
        gather._write(folder / f"{name}.parquet", pa.concat_tables(tables))
    parts = {"producer": "producer", "node": "node", "locust": "loadtest"}
    processes = [(name, part, "", True, True, 0, None) for name, part in parts.items()]
    gather._write(
        folder / "processes.parquet",
        gather._from_rows(processes, gather.gathered_schema("processes")),
    )
    for name in ("health", "events", "clocks"):
        gather._write(folder / f"{name}.parquet", _table(name, {"process": []}))
    opened = pa.concat_tables([_table("connections", part["connections"]) for part in made])
    plain = opened.select([n for n in opened.column_names if not n.startswith("receipt_")])
    counts = np.concatenate([part["counts"] for part in made])
    offsets = np.concatenate(([0], np.cumsum(counts)))
    columns = [
        pa.array(np.concatenate([block for part in made for block in part[name]]))
        for name in gather.RECEIPT_COLUMNS
    ]

    def columns_of(first: int, end: int) -> list[pa.Array]:
        return [c.slice(offsets[first], offsets[end] - offsets[first]) for c in columns]

    gather._write_connections(folder / "connections.parquet", plain, offsets, columns_of)


def write_raw(gathered: Path, folder: Path) -> None:
    """The raw records from which gathering makes this folder: receipts in the order of time."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    shutil.copy(gathered / "manifest.json", folder)
    tables = {name: pq.read_table(gathered / f"{name}.parquet") for name in ("published", "joins")}
    clients = pq.read_table(gathered / "connections.parquet")
    lists = {n: clients[f"receipt_{n}"].combine_chunks() for n in gather.RECEIPT_COLUMNS}
    values = {n: column.flatten().to_numpy() for n, column in lists.items()}
    counts = np.diff(lists["seq"].offsets.to_numpy())
    values["connection_id"] = np.repeat(clients["connection_id"].to_numpy(), counts)
    order = np.argsort(values["at_ns"], kind="stable")
    receipts = {f.name: pa.array(values[f.name][order], f.type) for f in TABLES["receipts"]}
    for process, name, rows in (
        ("producer", "published", tables["published"]),
        ("node", "joins", tables["joins"]),
        ("node", "leaves", tables["joins"]),
        ("locust", "opened", clients),
        ("locust", "closed", clients),
        ("locust", "receipts", pa.table(receipts)),
    ):
        metadata = {"schema": SCHEMA_VERSION, "table": name, "process": process, "boot_id": "b"}
        schema = TABLES[name].with_metadata(metadata)
        file = RecordFile(raw / f"{process}.{name}.arrows", schema.serialize())
        table = rows.select(schema.names).cast(schema).combine_chunks()
        for batch in table.to_batches(ROWS_PER_FLUSH):
            file.append(batch.serialize())
        file.close(complete=True)


def _cell(rng: Any, cell: int, count: int, length_ms: int) -> dict[str, Any]:
    """Columns of `published`, `joins` and `connections`, and the receipts in blocks."""
    start_ns = (10 + cell * (length_ms + 500)) * MS
    published_ns = start_ns + np.sort(rng.uniform(0, length_ms, (SESSIONS, CHUNKS)) * MS, axis=1)
    saved_ns = published_ns + (0 if cell else 2 * MS)
    digest = rng.integers(0, 2**32, (SESSIONS, CHUNKS), dtype=np.uint32)
    session = rng.integers(0, SESSIONS, count)
    opening_ns = start_ns + np.sort(rng.uniform(0, length_ms, count)) * MS
    read_ns, subscribe_ns = opening_ns + 3 * MS, opening_ns + (2 if cell else 8) * MS
    made: dict[str, Any] = {"counts": [], **{name: [] for name in gather.RECEIPT_COLUMNS}}
    for first in range(0, count, BLOCK):
        rows = slice(first, first + BLOCK)
        of, read, subscribe = session[rows], read_ns[rows, None], subscribe_ns[rows, None]
        old = saved_ns[of] < read
        live = (published_ns[of] > subscribe) & ~old
        at_ns = published_ns[of] + rng.lognormal(0, 0.5, (*of.shape, CHUNKS)) * MS
        came = old | live
        made["counts"].append(came.sum(axis=1))
        made["seq"].append((np.nonzero(came)[1] + 1).astype(np.int32))
        made["digest"].append(digest[of][came])
        made["via"].append(np.where(live, Via.LIVE, Via.HISTORY).astype(np.uint8)[came])
        made["at_ns"].append(np.where(live, at_ns, read + MS)[came].astype(np.int64))
    made["counts"] = np.concatenate(made["counts"])
    ids = cell * count + np.arange(count)
    names = np.array([f"scale-{cell}-{number}" for number in range(SESSIONS)])
    made["published"] = _published(cell, names, published_ns, saved_ns, digest)
    made["joins"] = {
        "process": ["node"] * count, "connection_id": ids, "session_id": names[session],
        "node": ["node"] * count, "connect": [CELLS[cell].connect] * count,
        "after_seq": np.zeros(count), "accepted_ns": opening_ns + MS, "read_sent_ns": read_ns,
        "read_done_ns": read_ns, "subscribe_sent_ns": subscribe_ns,
        "subscribe_done_ns": subscribe_ns, "subscribe_shared": np.zeros(count, bool),
        "welcomed_ns": opening_ns + 9 * MS,
    }  # fmt: skip
    leave_ns = np.full(count, start_ns + (length_ms + 400) * MS)
    made["connections"] = {
        "process": ["locust"] * count, "connection_id": ids, "cell": np.full(count, cell),
        "connect": [CELLS[cell].connect] * count, "write": [CELLS[cell].write] * count,
        "session_id": names[session], "user": np.arange(count), "after_seq": np.zeros(count),
        "join_earliest_ns": np.full(count, start_ns),
        "join_latest_ns": np.full(count, start_ns + length_ms * MS),
        "intended_ns": opening_ns, "opening_ns": opening_ns, "leave_ns": leave_ns,
        "connected_ns": opening_ns + MS, "history_ns": opening_ns + 4 * MS,
        "welcome_ns": opening_ns + 9 * MS, "closed_ns": leave_ns,
        "by_server": np.zeros(count, bool), "close_code": np.full(count, 1000),
    }  # fmt: skip
    return made


def _published(
    cell: int, names: Any, published_ns: Any, saved_ns: Any, digest: Any
) -> dict[str, Any]:
    count = SESSIONS * CHUNKS
    place = np.tile(np.arange(CHUNKS), SESSIONS)
    sent_ns = published_ns.ravel()
    return {
        "process": ["producer"] * count, "cell": np.full(count, cell),
        "write": [CELLS[cell].write] * count, "session_id": np.repeat(names, CHUNKS),
        "message_id": np.repeat(names, CHUNKS), "index": place, "seq": place + 1,
        "digest": digest.ravel(), "final": np.zeros(count, bool), "intended_ns": sent_ns,
        "started_ns": sent_ns, "publish_sent_ns": sent_ns, "publish_done_ns": sent_ns,
        "save_sent_ns": saved_ns.ravel(), "save_done_ns": saved_ns.ravel(),
    }  # fmt: skip


def _table(name: str, columns: dict[str, Any]) -> pa.Table:
    """A table of the gathered format; columns not given are null."""
    schema = gather.gathered_schema(name)
    length = len(columns["process"])
    arrays = [
        pa.array(np.asarray(columns[f.name])).cast(f.type, safe=False)
        if f.name in columns and length
        else pa.nulls(length, f.type)
        for f in schema
    ]
    return pa.table(arrays, schema)


if __name__ == "__main__":
    main()
