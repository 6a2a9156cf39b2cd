"""How a client learns that an answer is over: two ways that keep, to explore and to copy.

    chunk7 explore --connect buffered_merge --write examples/endings.py:saved_end
    chunk7 explore --connect examples/endings.py:status_then_history \\
        --write examples/endings.py:status_end

`saved_end` makes the end one more item of the answer: it takes a number and is saved before it is
published. Whoever finds a chunk finds the end, and a client that fills gaps fetches it, too. A
client that only leaves out duplicates can be told the end before its history has come.

`status_end` overwrites a key instead, once all is saved, and publishes an end for those who are
there already. A node then has to read the status before the history, and tell its client after it:
what was over before the read is whole in it. The other way round the end can overtake the last
chunk, which was saved between the two reads and is still on its way. The published end needs a
number all the same: a buffer cannot tell otherwise that it comes last.
"""

from chunk7.delivery.chunk import Chunk, End
from chunk7.delivery.effects import (
    Confirmed,
    NextSeq,
    Publish,
    ReadHistory,
    ReadStatus,
    Release,
    Save,
    SendEnd,
    SendHistory,
    SendWelcome,
    SetStatus,
    Sink,
    Subscribe,
)
from chunk7.delivery.ordering import (
    ConnectSteps,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)

DONE = "done"


def save_then_publish_end(chunks: tuple[Chunk, ...]) -> WriteSteps:
    """The end is one more chunk."""
    end = End(chunks[-1].session_id).numbered((yield NextSeq()))
    yield Save(end)
    yield Publish(end)


@write_ordering(ending=save_then_publish_end)
def saved_end(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Save(chunk)
    yield Publish(chunk)


def overwrite_the_status(chunks: tuple[Chunk, ...]) -> WriteSteps:
    """For those who come later, and then for those who are there."""
    yield SetStatus(DONE)
    yield Publish(End(chunks[-1].session_id).numbered((yield NextSeq())))


@write_ordering(ending=overwrite_the_status)
def status_end(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Save(chunk)
    yield Publish(chunk)


@connect_ordering()
def status_then_history(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    over = (yield ReadStatus()) == DONE
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield Release(known=frozenset(chunk.seq for chunk in history))
    yield SendWelcome()
    if over:
        yield SendEnd()
