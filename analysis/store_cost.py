"""What an ordering costs the store, from what the producer measured there: memory and commands.

The server counts every command that it executes, and by name only. So a name stands for who sends
it, by SENT_BY; names of neither (INFO, PING, CLIENT, ...) are left out. It counts what a Lua script
calls, too, which never crossed the wire: for each EVALSHA the script's own calls are taken away.
"""

from typing import Any

import msgspec
import numpy as np

from chunk7.analysis.run_folder import Run
from chunk7.delivery.errors import RecordError
from chunk7.wire.store.store import SCRIPT_CALLS

SENT_BY = {
    "node": (
        "lrange", "xrange", "xread", "get", "mget", "xinfo", "subscribe", "unsubscribe",
    ),
    "producer": ("incr", "publish", "rpush", "pexpire", "xadd", "multi", "exec", "evalsha"),
}  # fmt: skip
"""Commands by who sends them. MGET is the heartbeats', XINFO asks for a newest entry."""


class _Memory(msgspec.Struct):
    cell: int
    bytes: int
    chunks: int


class _Commands(msgspec.Struct):
    cell: int
    calls: dict[str, int]


def memory_bytes_per_chunk(run: Run) -> dict[int, float]:
    """Bytes a chunk takes in the store, by cell; cells that were not measured are left out.

    Raises RecordError for an event that cannot be read.
    """
    totals: dict[int, tuple[int, int]] = {}
    for row in _events(run, "memory", _Memory):
        stored, chunks = totals.get(row.cell, (0, 0))
        totals[row.cell] = stored + row.bytes, chunks + row.chunks
    return {cell: stored / chunks for cell, (stored, chunks) in totals.items() if chunks}


def commands(run: Run) -> dict[int, dict[str, int]]:
    """Commands that nodes and producer sent to the store, by cell and by the keys of SENT_BY.

    Cells in which they were not counted are left out. Raises RecordError as above.
    """
    totals: dict[int, dict[str, int]] = {}
    for row in _events(run, "commands", _Commands):
        of_cell = totals.setdefault(row.cell, dict.fromkeys(SENT_BY, 0))
        sent = over_the_wire(row.calls)
        for sender, names in SENT_BY.items():
            of_cell[sender] += sum(sent.get(name, 0) for name in names)
    return totals


def over_the_wire(calls: dict[str, int]) -> dict[str, int]:
    """The server's count without what the Lua script called; never below 0."""
    scripts = calls.get("evalsha", 0)
    return {
        name: max(0, count - scripts * SCRIPT_CALLS.get(name, 0)) for name, count in calls.items()
    }


def commands_per(run: Run, connections: list[int]) -> list[dict[str, Any]]:
    """`commands_per_connection` and `commands_per_chunk` of each cell, null where not counted.

    `connections` has each cell's; chunks are those of which anything was sent to the store.
    """
    counted, published = commands(run), run.published
    sent = published["publish_sent_ns"].notna() | published["save_sent_ns"].notna()
    cell_of = published["cell"].to_numpy(dtype=np.int64)[sent.to_numpy(dtype=bool)]
    chunks = np.bincount(cell_of, minlength=len(connections))
    return [
        {
            "commands_per_connection": _ratio(counted.get(cell, {}).get("node"), number),
            "commands_per_chunk": _ratio(counted.get(cell, {}).get("producer"), int(chunks[cell])),
        }
        for cell, number in enumerate(connections)
    ]


def _ratio(count: int | None, over: int) -> float | None:
    return count / over if count is not None and over else None


def _events(run: Run, kind: str, form: Any) -> list[Any]:
    """The details of all events of a kind, each of a cell of the run."""
    details = run.events.loc[run.events["kind"] == kind, "detail"]
    try:
        rows = [msgspec.json.decode(detail, type=form) for detail in details]
    except (msgspec.MsgspecError, TypeError) as error:
        raise RecordError(
            f"{run.folder / 'events.parquet'}: a {kind} event cannot be read: {error}"
        ) from error
    for row in rows:
        if not 0 <= row.cell < len(run.manifest.plan.cells):
            raise RecordError(
                f"{run.folder / 'events.parquet'}: contradictory records: a {kind} event of "
                f"cell {row.cell}"
            )
    return rows
