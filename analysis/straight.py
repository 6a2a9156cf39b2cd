"""Which clients received what they could expect, each chunk once, in its order: nearly all.

Of such a client nothing more has to be found out, and to prove it takes two columns and no pair.
The chunks that a client may expect are `low`..`end`, rows of a table sorted by session and number.
It came **straight** if its receipts are the first so many of these rows, by number and content, all
were received after it opened, and none of the rows behind them was due while it listened. Whoever
cannot be proved to be one is judged in full (chunk7.analysis.verdicts), so a doubt costs time and
no verdict. Comparisons with an instant that does not exist are false, and so prove nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bits = NDArray[np.bool_]
Instants = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Expected:
    """What clients may expect; arrays of the shape (clients,), of chunks (chunks,).

    `due_from_ns` is the earliest due of a chunk and those after it in its session.
    """

    low: Ints
    end: Ints
    opening_ns: Instants
    until_ns: Instants
    seq: Ints
    digest: Ints
    due_from_ns: Instants


def straight(
    expected: Expected, offsets: Ints, seq: Ints, digest: Ints, at_ns: Instants
) -> tuple[Bits, Ints]:
    """Who came straight, shape (clients,), and the row of each receipt, shape (receipts,).

    `offsets`, shape (clients + 1,): where each client's receipts begin. Rows of who did not come
    straight mean nothing. No two chunks of a session may have one number.
    """
    low, end = expected.low, expected.end
    counts = np.diff(offsets)
    row = np.repeat(low - offsets[:-1], counts)
    row += np.arange(len(row))
    if not len(expected.seq):
        return counts < 0, row
    same = expected.seq.take(row, mode="clip") == seq
    same &= expected.digest.take(row, mode="clip") == digest
    came = counts <= end - low
    came &= of_clients(np.minimum, same.view(np.uint8), offsets, empty=1) > 0
    came &= of_clients(np.minimum, at_ns, offsets, empty=np.inf) >= expected.opening_ns
    next_ns = expected.due_from_ns.take(low + counts, mode="clip")
    came &= np.where(low + counts < end, next_ns, np.inf) >= expected.until_ns
    return came, row


def of_clients(ufunc: np.ufunc, values: NDArray[np.generic], offsets: Ints, empty: float) -> Ints:
    """A ufunc's reduction over each client's receipts; `empty` of who has none."""
    some = np.flatnonzero(np.diff(offsets))
    found = np.full(len(offsets) - 1, empty, values.dtype)
    if len(some):
        found[some] = ufunc.reduceat(values, offsets[some])
    return found
