"""Any client, and it resumes after the last number up to which it has shown everything.

So comes `nodes/demo/chat-client.js` again, whatever its policy. Behind a hole it may have shown
more, and is sent that again; to resume after the highest number instead would give the hole up.
"""

from collections.abc import Hashable
from typing import Any

from chunk7.delivery.client import ClientModel, SeqRange, Taken
from chunk7.delivery.frames import EndFrame, Frame
from chunk7.delivery.gaps import GapTracker


class Resumes:
    """What was shown without a number (0) cannot be resumed after: it does not count."""

    def __init__(self, client: ClientModel) -> None:
        self._client = client
        self.asks = client.asks
        self.reads_cursors = client.reads_cursors

    def start(self) -> Hashable:
        return self._client.start(), GapTracker().snapshot()

    def take(self, memory: Any, frame: Frame) -> Taken:
        tracker = GapTracker.restored(memory[1])
        kept, shown = self._client.take(memory[0], frame)
        if isinstance(frame, EndFrame):
            tracker.receive(frame.seq)
        for chunk in shown:
            tracker.receive(chunk.seq)
        return (kept, tracker.snapshot()), shown

    def ask(self, memory: Any) -> tuple[Hashable, SeqRange | None]:
        kept, wanted = self._client.ask(memory[0])
        return (kept, memory[1]), wanted

    def misses(self, memory: Any) -> bool:
        return self._client.misses(memory[0])

    def resume_after(self, memory: Any) -> int:
        return GapTracker.restored(memory[1]).resume_after
