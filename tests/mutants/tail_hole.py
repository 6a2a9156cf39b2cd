"""Option 3 as the bug report words it: the client sees a gap when a later number arrives.

Nothing is later than the last chunk. Without a head number in welcome and heartbeat, a hole at
the tail is silent; every other hole is found. So this loses the tail and nothing else.

    node: read history          (empty)
    producer: save and publish 1, the last   -> 0 receivers
    node: subscribe             nothing that comes later reveals 1
"""

from typing import Any

from chunk7.delivery.client import Taken
from chunk7.delivery.clients.fills_gaps import FillsGaps
from chunk7.delivery.effects import Confirmed, ReadHistory, SendHistory, SendWelcome, Subscribe
from chunk7.delivery.frames import Frame, HeadFrame
from chunk7.delivery.ordering import ClientPolicy, ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect.sequence_gap_fill import sequence_gap_fill
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


class IgnoresHeads(FillsGaps):
    """Believes in received numbers only."""

    def take(self, memory: Any, frame: Frame) -> Taken:
        return (memory, ()) if isinstance(frame, HeadFrame) else super().take(memory, frame)


@connect_ordering(client=ClientPolicy.FILLS_GAPS)
def tail_hole(join: Join) -> ConnectSteps:
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield Subscribe()
    yield Confirmed()
    yield SendWelcome()


MUTANT = Mutant(
    connect=tail_hole,
    write=atomic_lua,
    sound=(sequence_gap_fill, atomic_lua),
    client=IgnoresHeads(),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        node1.join1 read_history
        producer number_save_and_publish 1
        node1.join1 send_history
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 send_welcome
        node1.join1 heartbeat
        """
    ),
)
