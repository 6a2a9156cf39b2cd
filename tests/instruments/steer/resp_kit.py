"""Streams of bytes, cut anywhere."""

import itertools
from collections.abc import Sequence


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """At these places, and at none twice."""
    edges = [0, *sorted({place % (len(stream) + 1) for place in places}), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]
