"""What chat-client.js makes of frames: one table for it and for `delivery/clients/chat_client.py`.

tests/browser/test_demo_client.py plays it in a browser, tests/delivery/test_chat_client.py here.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.frames import BeatFrame, Frame, JoinedFrame, LiveFrame, StoredFrame

DROP = "drop"
"""The connection breaks; the client joins again."""

Happening = Frame | str


class ChatCase(NamedTuple):
    """`shown` has the numbers that are new to the reader, as they come, and `asked` the fetches.

    `resumed` is the `after_seq` of each DROP, 0 for none, and `resume` that of a further one.
    """

    happenings: tuple[Happening, ...]
    shown: tuple[int, ...]
    asked: tuple[tuple[int, int], ...] = ()
    resumed: tuple[int, ...] = ()
    resume: int = 0


def chunk(seq: int, message: str = "m", index: int | None = None) -> Chunk:
    return Chunk("s", message, seq - 1 if index is None else index, f"{seq} ", seq=seq)


def history(*seqs: int) -> StoredFrame:
    return StoredFrame(tuple(map(chunk, seqs)))


def live(*seqs: int) -> list[LiveFrame]:
    return [LiveFrame(chunk(seq)) for seq in seqs]


def beats(head_seq: int, count: int, epoch: str | None = None) -> list[BeatFrame]:
    return [BeatFrame(head_seq, epoch)] * count


def in_vain(count: int) -> list[Happening]:
    """A number is asked for and does not come, so many times."""
    return [frame for _ in range(count) for frame in (BeatFrame(1), history())]


def _case(happenings: Iterable[Happening], shown: Iterable[int], **rest: Any) -> ChatCase:
    return ChatCase(tuple(happenings), tuple(shown), **rest)


CHAT_CASES: dict[str, ChatCase] = {
    "nothing": _case([], []),
    "in order": _case([history(1, 2), JoinedFrame(2), *live(3), BeatFrame(3)], [1, 2, 3], resume=3),
    "live before the history": _case(
        [*live(3, 4), history(1, 2, 3), JoinedFrame(4)], [3, 4, 1, 2], resume=4
    ),
    "doubles": _case([history(1, 2), *live(1, 2, 3, 3)], [1, 2, 3], resume=3),
    "another message with the same index": _case(
        [history(1), LiveFrame(chunk(2, "n", 0))], [1, 2], resume=2
    ),
    "the same chunk under another number": _case(
        [history(1), LiveFrame(chunk(2, "m", 0))], [1], resume=1
    ),
    "a chunk without a number is not shown": _case([history(), LiveFrame(chunk(0))], []),
    "a hole in the middle": _case(
        [history(1), *live(3), history(2)], [1, 3, 2], asked=((2, 2),), resume=3
    ),
    "a hole at the tail, by the welcome": _case(
        [history(1), JoinedFrame(3), history(2, 3)], [1, 2, 3], asked=((2, 3),), resume=3
    ),
    "a hole at the tail, by a heartbeat": _case(
        [history(1), JoinedFrame(), BeatFrame(2), history(2)], [1, 2], asked=((2, 2),), resume=2
    ),
    "no hole is asked for before the history": _case(
        [*live(2), JoinedFrame(2), history(1, 2)], [2, 1], resume=2
    ),
    "two holes at once": _case([history(2, 4)], [2, 4], asked=((1, 1), (3, 3)), resume=0),
    "a hole is asked for once a round": _case(
        [history(1), *live(3, 4), *beats(4, 1)], [1, 3, 4], asked=((2, 2), (2, 2)), resume=1
    ),
    "a number that was asked for five times is given up": _case(
        [history(), *in_vain(6)], [], asked=((1, 1),) * 5
    ),
    "one that was asked for five times may still come": _case(
        [history(), *in_vain(5)], [], asked=((1, 1),) * 5
    ),
    # It resumed behind what it had given up, and was never sent what had been saved since.
    "what was given up is not what has come, for a new connection": _case(
        [history(2), *in_vain(6), DROP, history(1, 2)],
        [2, 1],
        asked=((1, 1),) * 5,
        resumed=(0,),
        resume=2,
    ),
    "one that was given up, and comes": _case(
        [history(), *in_vain(6), *live(1, 2)], [1, 2], asked=((1, 1),) * 5, resume=2
    ),
    "a heartbeat without a head begins a round": _case(
        [history(1), *live(3), BeatFrame()], [1, 3], asked=((2, 2), (2, 2)), resume=1
    ),
    "resumes at the hole, not after the highest": _case(
        [history(1), *live(3), DROP, history(2, 3)],
        [1, 3, 2],
        asked=((2, 2),),
        resumed=(1,),
        resume=3,
    ),
    "what was asked for on another connection counts until a head comes": _case(
        [history(1), *live(3), DROP, history(), JoinedFrame(3)],
        [1, 3],
        asked=((2, 2), (2, 2)),
        resumed=(1,),
        resume=1,
    ),
    "loses its connection twice": _case(
        [history(1), DROP, history(2), DROP, history(3)], [1, 2, 3], resumed=(1, 2), resume=3
    ),
    "another epoch: all is asked for anew": _case(
        [history(1, 2), *beats(2, 1, "e1"), *beats(1, 1, "e2"), history(1)],
        [1, 2, 1],
        asked=((1, 1),),
        resume=1,
    ),
    # The first heartbeat was the first to say it: until then the old numbers were the new ones'.
    "another epoch, by the welcome: all is asked for at once": _case(
        [history(1, 2), JoinedFrame(2, "e1"), DROP, history(), JoinedFrame(1, "e2"), history(1)],
        [1, 2, 1],
        asked=((1, 1),),
        resumed=(2,),
        resume=1,
    ),
    "a welcome without an epoch says nothing of it": _case(
        [history(1), *beats(1, 1, "e1"), DROP, history(), JoinedFrame(1)],
        [1],
        resumed=(1,),
        resume=1,
    ),
    "the first epoch that is named is that of what has come": _case(
        [history(1), *beats(1, 2, "e1")], [1], resume=1
    ),
}
