"""What a node does by itself for a client that follows a stream."""

from collections.abc import Iterator

from chunk7.simulator.explore.naming import join_name
from chunk7.simulator.explore.reception import Reception
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import SESSION, Joiner, Move, State, with_joiner
from chunk7.simulator.explore.stores import Stores


def tail_moves(
    stores: Stores, reception: Reception, state: State, place: int, joiner: Joiner
) -> Iterator[Move]:
    """All new entries, if there are any, to a client that follows, or to its buffer."""
    assert joiner.following is not None
    cursor = joiner.following.cursor
    new = stores.after(
        state.read_store, ("tail", cursor), lambda m: m.entries_with_ids(SESSION, cursor)
    )[1]
    if new:
        numbered = ((entry, reception.chunk_id(chunk)) for entry, chunk in new)
        following, sent = joiner.following.take(numbered)
        joiner = reception.send_entries(joiner._replace(following=following), sent)
        yield Step(join_name(joiner.node, place), "tail"), with_joiner(state, place, joiner)
