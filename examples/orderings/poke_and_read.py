"""A notice that only says "look": who is poked reads the history, and sends what is new.

    producer: take a number, save, poke
    node: subscribe, read, send; from then on look at each notice

Guarantee: every chunk once and in order, as long as notices come. A chunk is saved before its
notice, so a look finds it, or an earlier look has. A notice that comes while the node still joins
is kept, and makes it look at once. Ten notices may be one look.

It has no memory of what it was not told. A notice that is lost is made up for by the next one; the
last one by none:

    node: subscribe, read       (empty)
    producer: save 1, poke      the notice is on its way
    node: send, look from now on
    node: goes deaf             and nobody looks again
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    Confirmed,
    LookWhenPoked,
    NextSeq,
    Pause,
    Poke,
    ReadHistory,
    Save,
    SendHistory,
    SendWelcome,
    Subscribe,
)
from chunk7.delivery.ordering import (
    ConnectSteps,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)


@connect_ordering()
def poke_and_read(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield Confirmed()
    yield Pause()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield LookWhenPoked(max([join.after_seq, *(chunk.seq for chunk in history)]))
    yield SendWelcome()


@write_ordering()
def save_then_poke(chunk: Chunk) -> WriteSteps:
    yield Save(chunk.numbered((yield NextSeq())))
    yield Poke()
