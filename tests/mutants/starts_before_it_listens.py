"""The request that starts the answer subscribes to it afterwards.

"The model takes a second to say its first word" is true until it does not.

    node: start
    producer: number, save and publish 1    -> 0 receivers
    node: subscribe
"""

from chunk7.delivery.effects import Confirmed, SendWelcome, Start, Subscribe
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.delivery.user_file import load_file
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule
from mutants.reads_the_tail_last import EXAMPLES


@connect_ordering()
def starts_before_it_listens(join: Join) -> ConnectSteps:
    yield Start()
    yield Subscribe()
    yield Confirmed()
    yield SendWelcome()


MUTANT = Mutant(
    connect=starts_before_it_listens,
    write=atomic_lua,
    sound=(
        load_file(EXAMPLES / "subscribe_then_start.py", "ordering").subscribe_then_start,
        atomic_lua,
    ),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        node1.join1 start
        producer number_save_and_publish 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 send_welcome
        """
    ),
)
