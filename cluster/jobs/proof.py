"""What every interleaving says beside what one run measured.

A run that saw no loss has a bound, not a proof; and an ordering that cannot lose may stand beside
one that was merely lucky. The explorer tells them apart in less than a second.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping

from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.guard import guarded
from chunk7.simulator.explore.search import SearchLimits, explore
from chunk7.simulator.explore.state import ExploreCell
from chunk7.wire.account import Explored

CHUNKS = 3
"""As many as `chunk7 explore` tries unless it is told otherwise, so that the two agree."""
MAX_SECONDS = 2.0
"""A pair: what takes longer is unknown. Our own take a tenth of a second at most."""

Pair = tuple[ConnectOrdering, WriteOrdering]
Specs = Mapping[str, str]
"""By ordering's name, `path/to/file.py:name` for those that are not ours."""


def explored(pairs: Iterable[Pair], specs: Specs) -> dict[str, Explored]:
    """What the explorer says of each pair, by cell's name.

    Other people's orderings are explored in a process of its own. Raises OrderingError for one
    that breaks the protocol or loops for ever.
    """
    pairs = list(pairs)
    ours = all(
        CONNECT_ORDERINGS.get(connect.name) is connect and WRITE_ORDERINGS.get(write.name) is write
        for connect, write in pairs
    )

    def job(tick: Callable[[], None]) -> Iterator[tuple[str, Explored]]:
        for pair in pairs:
            yield explored_pair(*pair, specs, tick)

    return dict(job(lambda: None) if ours else guarded(job))


def explored_pair(
    connect: ConnectOrdering, write: WriteOrdering, specs: Specs, tick: Callable[[], None]
) -> tuple[str, Explored]:
    """The cell's name, and what the explorer says of it; `tick` as for `SearchLimits`."""
    limits = SearchLimits(max_seconds=MAX_SECONDS, tick=tick)
    found = explore(ExploreCell(connect, write, CHUNKS), limits)
    names = (shlex.quote(specs.get(ordering.name, ordering.name)) for ordering in (connect, write))
    command = "chunk7 explore --connect {} --write {}".format(*names)
    name = f"{connect.name} x {write.name}"
    return name, Explored(verdict=found.verdict.value, chunks=CHUNKS, command=command)
