"""What a node does by itself for clients that follow a stream, or whose notices it looks after."""

from collections.abc import Iterator

from chunk7.simulator.explore.naming import join_name
from chunk7.simulator.explore.reception import Reception
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import SESSION, Joiner, Move, State, read_from, with_joiner
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


def noticed(joiner: Joiner) -> Joiner:
    """A notice has come to its node: that is to look for each of its clients."""
    return joiner._replace(poked=joiner.poked or joiner.handover is not None)


def look(stores: Stores, reception: Reception, state: State, place: int) -> Move:
    """The node reads what is new for a client, and sends it: live chunks have no other way."""
    joiner = state.joiners[place]
    looked = joiner.looked or 0
    state, store = read_from(state, joiner.node)
    new = stores.after(store, ("look", looked), lambda m: m.history(SESSION, looked))[1]
    seqs = [chunk.seq for chunk in new]
    joiner = joiner._replace(poked=False, looked=max([looked, *seqs]))
    for chunk in new:
        joiner = reception.send_live(joiner, reception.chunk_id(chunk))
    return Step(join_name(joiner.node, place), "look"), with_joiner(state, place, joiner)
