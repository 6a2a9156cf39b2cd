"""What every interleaving says beside what one run measured.

A run that saw no loss has a bound, not a proof; and an ordering that cannot lose may stand beside
one that was merely lucky. The explorer tells them apart in less than a second.
"""

from chunk7.analysis.results import Result
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.search import ExploreVerdict, SearchLimits, explore
from chunk7.simulator.explore.state import ExploreCell

CHUNKS = 2
_LIMITS = SearchLimits(max_seconds=5.0)


def proof(result: Result) -> str:
    """A sentence for a cell that lost nothing, or '' where there is nothing to add.

    Only our own orderings are explored here: `chunk7 explore` guards itself against others.
    """
    connect = CONNECT_ORDERINGS.get(result.connect)
    write = WRITE_ORDERINGS.get(result.write)
    if result.chunks_lost or result.connections == 0 or connect is None or write is None:
        return ""
    verdict = explore(ExploreCell(connect, write, CHUNKS), _LIMITS).verdict
    if verdict is ExploreVerdict.LOSES:
        command = f"chunk7 explore --connect {result.connect} --write {result.write}"
        return f"Yet it can lose: `{command}` draws how."
    if verdict is ExploreVerdict.LOSSLESS:
        return f"No interleaving of {CHUNKS} chunks loses one."
    return ""
