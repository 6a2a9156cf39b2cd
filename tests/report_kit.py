"""Small run folders to make reports of, written by hand through the real recorders."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from chunk7.analysis.manifest import Traits, read_manifest, write_manifest
from chunk7.wire.account import Explored
from chunk7.wire.plan import Cell
from tests.analysis.story import Story

BUG = Cell("history_then_subscribe", "publish_then_save")
Verdict = Literal["lossless", "loses", "unknown"]
FIX = Cell("buffered_merge", "atomic_lua")
HOSTILE = "</script><script>window.owned=1</script><img src=x onerror='window.owned=2'>|`*_"
"""A name that would run in a page that trusts it, and break a Markdown table."""


def run_folder(
    folder: Path, lossy: int = 4, cells: tuple[Cell, ...] = (BUG, FIX), **odd: Any
) -> Path:
    """In the first cell `lossy` connections lose chunk 2 each, in the others one loses nothing.

    User 1 is in every cell, so that the cells can be compared.
    The losses alternate between a handover gap and a save lag. `odd`: `session` and `node`, names
    of the lossy ones; `killed`, a process whose records have no end.
    """
    traits = {FIX.connect: Traits(merges=True)}
    story = Story(folder, list(cells), traits=traits)
    for k in range(len(cells)):
        session = odd.get("session", "lossy") if k == 0 else f"kept-{k}"
        _session(story, k, session)
        if k == 0:
            for turn in range(lossy):
                _lossy(story, turn, session, odd.get("node", "node"))
        else:
            _kept(story, k, session)
    story.healthy("producer", "locust", "node")
    return story.end(*odd.get("killed", ()))


def say_explored(folder: Path, verdict: Verdict, command: str = "chunk7 explore") -> Path:
    """The run folder, whose manifest has this word on its second cell."""
    manifest = read_manifest(folder)
    told = Explored(verdict=verdict, chunks=3, command=command)
    found = {manifest.plan.cells[1].name: told}
    write_manifest(folder, msgspec.structs.replace(manifest, explored=found))
    return folder


def _session(story: Story, cell: int, session: str) -> None:
    """Chunk 2 comes at 50 ms and is saved at 55."""
    for seq, at_ms, save_ms in ((1, -100, -100), (2, 50, 55), (3, 200, 205), (4, 300, 305)):
        story.chunk(seq, at_ms=at_ms, save_ms=save_ms, cell=cell, session_id=session)


def _lossy(story: Story, turn: int, session: str, node: str) -> None:
    """The history is read before chunk 2 is published, or only before it is saved."""
    read_ms = (40, 42) if turn % 2 == 0 else (52, 53)
    story.connection(turn + 1, [(56, 1, 0), (201, 3), (301, 4)], session_id=session)
    story.join(
        turn + 1,
        read_ms=read_ms,
        subscribe_ms=(58, 62),
        session_id=session,
        node=node,
        history_count=1,
        history_first_seq=1,
        history_last_seq=1,
        connect=story.cells[0].connect,
    )


def _kept(story: Story, cell: int, session: str) -> None:
    connection_id = 100_000 + cell
    receipts = [(5, 1, 0), (51, 2), (201, 3), (301, 4)]
    story.connection(connection_id, receipts, cell=cell, session_id=session, user=1)
    story.join(
        connection_id,
        subscribe_ms=(1, 1),
        read_ms=(3, 3),
        session_id=session,
        connect=story.cells[cell].connect,
    )
