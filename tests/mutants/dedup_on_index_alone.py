"""Option 1, and a front end that de-duplicates on the chunk's index without its message.

Every chunk arrives. From the second message on, the reader does not see them: index 0 was there
before. Wire-level counts are perfect.

    client: gets m1/0, m1/1, m2/0   and takes the last for a repetition of the first
"""

from chunk7.delivery.clients.deduplicates import Deduplicates
from chunk7.delivery.ordering import ClientPolicy
from chunk7.nodes.connect.subscribe_then_history import subscribe_then_history
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule

assert subscribe_then_history.client is ClientPolicy.DEDUPLICATES

MUTANT = Mutant(
    connect=subscribe_then_history,
    write=atomic_lua,
    sound=(subscribe_then_history, atomic_lua),
    client=Deduplicates(identity=lambda chunk: chunk.index),
    fails=Failure.LOSSY,
    chunks=3,
    shortest=schedule(
        """
        producer number_save_and_publish 1
        producer number_save_and_publish 2
        producer number_save_and_publish 3
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 send_welcome
        """
    ),
)
