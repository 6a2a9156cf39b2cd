"""Verdicts over ranges: a client receives chunks in runs, so a handful of ranges says it all.

A range (begin, end) stands for the chunks begin, begin + 1, ..., end - 1, by index in the answer.
The rules are those of `chunk7.delivery.verdicts`.
"""

from collections.abc import Iterable

Range = tuple[int, int]


def judge(received: list[Range], chunks: int) -> tuple[int, int, int, list[Range]]:
    """(duplicates, out of order, rewinds, missing) of receipts in their order, out of `chunks`.

    Each receipt of a chunk after its first is a duplicate. A chunk is out of order when its first
    receipt comes after a later chunk. A rewind is a receipt of a lower chunk than just before.
    Missing: ascending ranges of what was never received.
    """
    seen: list[Range] = []
    duplicates = late = rewinds = top = 0
    for begin, end in received:
        if begin >= end:
            continue
        fresh = subtract([(begin, end)], seen) if begin < top else [(begin, end)]
        duplicates += end - begin
        for low, high in fresh:
            duplicates -= high - low
            if low < top:
                late += min(high, top) - low
        rewinds += bool(seen) and begin < seen[-1][1] - 1
        seen.append((begin, end))
        top = max(top, end)
    return duplicates, late, rewinds, subtract([(0, chunks)], seen) if chunks else []


def subtract(ranges: list[Range], without: list[Range]) -> list[Range]:
    """What is in `ranges` (ascending, disjoint) and in none of `without` (any order)."""
    left = ranges
    for begin, end in without:
        if begin < end:
            left = [
                (low, high)
                for start, stop in left
                for low, high in ((start, min(stop, begin)), (max(start, end), stop))
                if low < high
            ]
    return left


def contiguous(indices: Iterable[int]) -> list[Range]:
    """Indices in their order, as ranges: neighbours that count up by one are joined."""
    ranges: list[Range] = []
    for index in indices:
        if ranges and ranges[-1][1] == index:
            ranges[-1] = (ranges[-1][0], index + 1)
        else:
            ranges.append((index, index + 1))
    return ranges
