"""The bug and a fix side by side, small enough to work everything out by hand."""

from pathlib import Path

from story import CELL, Story, ns

from chunk7.analysis.study import Study, open_study
from chunk7.wire.plan import Cell
from chunk7.wire.tables import Via

FIXED = Cell("subscribe_then_history", "atomic_lua")
EMPTY = Cell("redis_streams", "stream_append")


def race(folder: Path) -> Path:
    """Ten chunks, 10 ms apart, and a client each that joins at 30 ms.

    The bug reads at 35 and subscribes at 45 ms (W = 10), and its chunks are saved 2 ms after their
    publication (L = 2): chunk 4, of 40 ms, is lost. The fix does it the other way round with one
    command a chunk (W = -10, L = 0): it gets chunk 4 twice, and before 1 to 3.
    Nobody joins the third cell.
    """
    story = Story(folder, cells=[CELL, FIXED, EMPTY])
    for seq in range(1, 11):
        story.chunk(seq, 10 * seq, save_ms=10 * seq + 2, session_id="bug")
        story.chunk(seq, 10 * seq, cell=1, session_id="fix")
    story.chunk(1, 10, cell=2, session_id="empty")
    live = [(10 * seq + 2, seq) for seq in range(4, 11)]
    bug = [(37, seq, Via.HISTORY) for seq in (1, 2, 3)]
    story.connection(1, [*bug, *live[1:]], session_id="bug", open_ms=30)
    story.join(1, (34, 36), (44, 46), session_id="bug", accepted_ns=ns(31), history_last_seq=3)
    fix = [(47, seq, Via.HISTORY) for seq in (1, 2, 3, 4)]
    story.connection(2, [live[0], *fix, *live[1:]], cell=1, session_id="fix", open_ms=30)
    story.join(2, (45, 45), (35, 35), session_id="fix", connect=FIXED.connect, accepted_ns=ns(31))
    story.healthy("producer", "node", "locust")
    return story.end()


def judged(folder: Path) -> Study:
    return open_study(race(folder))
