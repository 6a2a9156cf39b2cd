"""What is due to a client by the cell's contract, and what a node has vouched for."""

from chunk7.delivery.contract import Contract
from chunk7.simulator.explore.programs import Programs
from chunk7.simulator.explore.state import ExploreCell, Joiner, State, all_of, session_chunks


def begun_in(state: State, cell: ExploreCell, programs: Programs) -> int:
    """The chunks whose write has begun, as bits."""
    waiting = 0
    for writer, window in enumerate(state.writers[: cell.life.writers]):
        latest = window[-1].number if window else cell.chunks
        later = [number for number in cell.life.lane(writer, cell.chunks) if number > latest]
        first = [write.number for write in window if programs.is_root(write.position)]
        waiting |= sum(1 << number for number in (*later, *first))
    return all_of(cell.chunks) & ~waiting


def excused_at_first(cell: ExploreCell) -> int:
    """Before a client has come: nothing, or whatever is settled later."""
    return 0 if cell.contract is Contract.WHOLE else all_of(cell.chunks)


def settled(state: State, cell: ExploreCell, joiner: Joiner) -> tuple[Joiner, str]:
    """The client begins to join: from which message on is settled, if it was not before."""
    session, excused = session_chunks(cell.chunks), joiner.excused
    if excused == all_of(cell.chunks):
        now = session[min(state.writing or cell.chunks, cell.chunks) - 1].message_id
        excused = all_of(next(n for n, chunk in enumerate(session) if chunk.message_id == now))
    message_id = session[max(0, excused.bit_length() - 1)].message_id
    return joiner._replace(excused=excused), message_id


def welcomed(state: State, cell: ExploreCell, programs: Programs, joiner: Joiner) -> Joiner:
    """The client after a welcome: the first settles what comes after it."""
    if cell.contract is not Contract.FROM_WELCOME:
        return joiner
    return joiner._replace(excused=joiner.excused & begun_in(state, cell, programs))


def vouched(state: State, cell: ExploreCell, programs: Programs, joiner: Joiner) -> Joiner:
    """The client after it was told that nothing is missing."""
    return joiner._replace(vouched=joiner.vouched | begun_in(state, cell, programs))
