"""Poke and read, but the notice goes out before the chunk is saved: a lost wake-up.

Whoever looks at once finds nothing new, and is not told again.

    node: subscribe, read, send, look from now on
    producer: take a number, poke
    node: look                  nothing new
    producer: save 1
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import NextSeq, Poke, Save
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.delivery.user_file import load_file
from mutants.mutant import Failure, Mutant, schedule
from mutants.reads_the_tail_last import EXAMPLES

SOUND = load_file(EXAMPLES / "poke_and_read.py", "ordering")


@write_ordering()
def pokes_before_it_saves(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Poke()
    yield Save(chunk)


MUTANT = Mutant(
    connect=SOUND.poke_and_read,
    write=pokes_before_it_saves,
    sound=(SOUND.poke_and_read, SOUND.save_then_poke),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        producer next_seq 1
        producer poke 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        producer save 1
        node1.join1 send_history
        node1.join1 look_when_poked
        node1.join1 send_welcome
        """
    ),
)
