"""What writing and reading record files costs: see record_files.md.

`python -m benchmarks.record_files`
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chunk7.wire.record_tail import RecordTail
from chunk7.wire.recorder import Recorder
from chunk7.wire.records import RecordStream
from chunk7.wire.tables import Via

ROUNDS = 5
RECEIPT = (1 << 40, 7, 3_735_928_559, Via.LIVE, 1_234_567_890_123)


def main() -> None:
    """Print one row a size of batch: the best of ROUNDS, in nanoseconds a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of a file")
    rows = parser.parse_args().rows
    print("| rows a batch | bytes a row | write, ns a row | read | follow |")
    print("|---:|---:|---:|---:|---:|")
    for batch_rows in (100, 10_000, 100_000):
        costs = [measured(rows, batch_rows) for _ in range(ROUNDS)]
        size, *best = (min(column) for column in zip(*costs, strict=True))
        print(f"| {batch_rows:,} | {size:.1f} | " + " | ".join(f"{ns:.0f}" for ns in best) + " |")


def measured(rows: int, batch_rows: int) -> tuple[float, float, float, float]:
    """Bytes a row, and what a row costs to be written, read and followed, ns."""
    folder = Path(tempfile.mkdtemp())
    try:
        recorder, path = Recorder(folder, "p"), folder / "p.receipts.arrows"
        write_ns = 0.0
        for _ in range(rows // batch_rows):
            for _ in range(batch_rows):
                recorder.add_row("receipts", RECEIPT)
            write_ns += timed(recorder.flush)
        recorder.close()
        read_ns = timed(lambda: sum(batch.num_rows for batch in RecordStream(path).batches()))
        follow_ns = timed(lambda: RecordTail(path).read())
        size = path.stat().st_size
        return size / rows, write_ns / rows, read_ns / rows, follow_ns / rows
    finally:
        shutil.rmtree(folder)


def timed(work: Callable[[], object]) -> float:
    """How long it took, ns."""
    began = time.perf_counter_ns()
    work()
    return float(time.perf_counter_ns() - began)


if __name__ == "__main__":
    main()
