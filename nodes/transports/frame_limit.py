"""How many frames a client may send: pings and empty fragments cost a node as much as questions.

A message's size is bounded before this (`server.MAX_FRAME_BYTES`), and questions wait for each
other; but a control frame is answered, and a fragment kept, as soon as it is read.
"""

from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode

MAX_FRAMES_S = 100.0
"""Of every kind, in the long run. A client that fills gaps asks once for each that it sees."""
BURST_FRAMES = 500.0


class LimitedConnection(ServerConnection):
    """Fails with 1008 when its client sends more; what had come before is still handed over."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._frames_left = BURST_FRAMES
        self._counted_at_s = self.loop.time()

    def process_event(self, event: Any) -> None:
        """One frame, or the handshake's request, has come."""
        now_s = self.loop.time()
        gained = (now_s - self._counted_at_s) * MAX_FRAMES_S
        self._frames_left = min(BURST_FRAMES, self._frames_left + gained) - 1
        self._counted_at_s = now_s
        if self._frames_left >= 0:
            super().process_event(event)
        elif self.protocol.close_sent is None:
            self.protocol.fail(CloseCode.POLICY_VIOLATION, "too many frames")
            self.send_data()
