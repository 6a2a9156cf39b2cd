"""Shows each number once, asks for holes, resumes behind its last run: `GapTracker`."""

from collections.abc import Hashable
from typing import Any

from chunk7.delivery.client import SeqRange, Taken
from chunk7.delivery.frames import EndFrame, Frame, HeadFrame, chunks_in
from chunk7.delivery.gaps import GapTracker


class FillsGaps:
    """The load test's users read with the same `GapTracker`."""

    asks = True
    reads_cursors = False

    def start(self) -> Hashable:
        return GapTracker().snapshot()

    def take(self, memory: Any, frame: Frame) -> Taken:
        tracker = GapTracker.restored(memory)
        if isinstance(frame, HeadFrame):
            tracker.learn_epoch(frame.epoch)
            if frame.head_seq is not None:
                tracker.learn_head(frame.head_seq)
        if isinstance(frame, EndFrame):
            tracker.receive(frame.seq)
        shown = tuple(chunk for chunk in chunks_in(frame) if tracker.receive(chunk.seq))
        return tracker.snapshot(), shown

    def ask(self, memory: Any) -> tuple[Hashable, SeqRange | None]:
        tracker = GapTracker.restored(memory)
        wanted = tracker.wanted()
        return tracker.snapshot(), wanted

    def misses(self, memory: Any) -> bool:
        return GapTracker.restored(memory).missing() is not None

    def resume_after(self, memory: Any) -> int:
        return GapTracker.restored(memory).resume_after
