"""The frames that an ordering writes to its client, and what it owes the client by them."""

from chunk7.delivery.effects import RECOVERED, SendControl, SendEnd, SendHistory, SendWelcome
from chunk7.delivery.frames import ControlFrame, EndFrame, JoinedFrame
from chunk7.delivery.handover import note
from chunk7.simulator.explore.dues import vouched, welcomed
from chunk7.simulator.explore.programs import Programs
from chunk7.simulator.explore.reception import Reception
from chunk7.simulator.explore.state import ExploreCell, Joiner, State

Told = SendHistory | SendWelcome | SendEnd | SendControl


def told(
    programs: Programs,
    reception: Reception,
    cell: ExploreCell,
    state: State,
    joiner: Joiner,
    effect: Told,
) -> Joiner:
    """The client after the frame."""
    match effect:
        case SendHistory(chunks, cursor):
            joiner = joiner._replace(handover=note(joiner.handover, (c.seq for c in chunks)))
            return reception.send_stored(joiner, tuple(chunks), cursor)
        case SendWelcome(head_seq):
            return reception.send(welcomed(state, cell, programs, joiner), JoinedFrame(head_seq))
        case SendEnd():
            return reception.send(joiner, EndFrame())
        case SendControl(kind):
            if kind == RECOVERED:
                joiner = vouched(state, cell, programs, joiner)
            return reception.send(joiner, ControlFrame(kind))
