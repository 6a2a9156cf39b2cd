"""Verdicts over ranges: a client receives chunks in runs, so a handful of ranges says it all.

A range (begin, end) stands for the chunks begin, begin + 1, ..., end - 1, by index in the answer.
The rules are those of `chunk7.delivery.verdicts`.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable

Range = tuple[int, int]


def judge(received: list[Range], chunks: int) -> tuple[int, int, int, list[Range]]:
    """(duplicates, out of order, rewinds, missing) of receipts in their order, out of `chunks`.

    Each receipt of a chunk after its first is a duplicate. A chunk is out of order when its first
    receipt comes after a later chunk. A rewind is a receipt of a lower chunk than just before.
    Missing: ascending ranges of what was never received.
    """
    covered: list[Range] = []
    duplicates = late = rewinds = top = last = 0
    for begin, end in received:
        if begin >= end:
            continue
        if begin >= top:
            covered.append((begin, end))
        else:
            duplicates += end - begin
            for low, high in _cover(covered, begin, end):
                duplicates -= high - low
                if low < top:
                    late += (high if high < top else top) - low
            rewinds += begin < last - 1
        last = end
        if end > top:
            top = end
    return duplicates, late, rewinds, _gaps(covered, chunks)


def _cover(covered: list[Range], begin: int, end: int) -> list[Range]:
    """Add begin..end to ascending, disjoint ranges; what of it is new."""
    place = bisect_left(covered, (begin, end))
    after = place == len(covered) or end <= covered[place][0]
    if after and (place == 0 or covered[place - 1][1] <= begin):  # it falls into a gap
        covered.insert(place, (begin, end))
        return [(begin, end)]
    new = subtract([(begin, end)], covered)
    for each in new:
        insort(covered, each)
    return new


def _gaps(covered: list[Range], chunks: int) -> list[Range]:
    """What ascending, disjoint ranges leave of 0..chunks."""
    gaps: list[Range] = []
    at = 0
    for begin, end in covered:
        if at < begin:
            gaps.append((at, begin))
        at = end
    if at < chunks:
        gaps.append((at, chunks))
    return gaps


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
