"""Whether an order can be carried out, before anything of it is."""

import re
from collections.abc import Container

from chunk7.delivery.errors import UsageError
from chunk7.wire.demo import is_demo
from chunk7.wire.timetable import Order

MAX_PLANS = 100_000
"""Sessions of all cells together: the timetable names each."""

_RUN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RANGES: dict[str, tuple[float, float]] = {
    "number": (1, 2**31 - 1),
    "seed": (0, 2**63 - 1),
    "sessions": (1, 10_000),
    "duration_ms": (1, 86_400_000),
    "settle_ms": (0, 3_600_000),
    "lead_ms": (0, 600_000),
    "jitter": (0, 10),
    "ttft_ms": (0, 600_000),
    "message_chunks": (1, 1_000_000),
    "save_lag_ms": (0, 60_000),
}
_MAX_RATE = 10_000


def check(order: Order, writes: Container[str]) -> None:
    """Raises UsageError naming the first field that is out of its bounds, and the bounds.

    `writes` has the names of the known write orderings.
    """
    if not _RUN.fullmatch(order.run):
        raise UsageError(f"run: {order.run!r} is not 1 to 64 letters, digits, - or _")
    if is_demo(order.run):
        raise UsageError(f"run: {order.run!r} is a name of the browser page, which is not recorded")
    for field, (low, high) in _RANGES.items():
        value = getattr(order, field)
        if value is not None and not low <= value <= high:  # also refuses nan
            raise UsageError(f"{field}: {value} is not {low} to {high}")
    if order.chunk_rate is not None and not 0 < order.chunk_rate <= _MAX_RATE:
        raise UsageError(f"chunk_rate: {order.chunk_rate:g} is not above 0, up to {_MAX_RATE}")
    _check_cells(order, writes)


def _check_cells(order: Order, writes: Container[str]) -> None:
    if not order.cells or len(order.cells) * order.sessions > MAX_PLANS:
        raise UsageError(
            f"cells: {len(order.cells)} with {order.sessions} sessions each; "
            f"want at least one cell and at most {MAX_PLANS} sessions together"
        )
    for number, cell in enumerate(order.cells):
        if cell.write not in writes:
            raise UsageError(f"cells[{number}].write: unknown write ordering {cell.write!r}")
