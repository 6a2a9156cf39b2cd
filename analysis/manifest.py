"""What a run was asked to do: the part of `manifest.json` that judging it needs."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from chunk7.delivery.errors import RecordError
from chunk7.wire.account import Explored
from chunk7.wire.plan import Plan
from chunk7.wire.whole_files import write_whole

NAME = "manifest.json"
SETTLE_MS = 500


class Traits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a connect ordering does about losses and duplicates after the handover."""

    fills_gaps: bool = False
    """The client sees holes and fetches them: a hole is not yet a loss."""
    merges: bool = False
    """The node removes from the live feed what the history had: an overlap is no duplicate."""
    recovers: bool = False
    """The node sees holes and sends what was in them: a hole is not yet a loss."""


class TargetFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose back end was joined, if not chunk7's own nodes. Of its joins nothing is known."""

    name: str
    url: str
    """As the adapter has it, places in braces and all."""
    file: str
    reference: Literal["producer", "connection", "request", "log", "answer", "recording"]
    """Who knows what was sent: our producer; a client that was there from the beginning; the
    request that asked; the log of who makes the answers; the finished answer; a recording."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`extra` holds whatever else the writer wants to keep (versions, machine, options)."""

    schema: int = 1
    plan: Plan
    """Cells, seed and load, as the producer was asked for."""
    traits: dict[str, Traits]
    """By connect ordering, for every one in `plan.cells`."""
    explored: dict[str, Explored] = {}
    """By cell's name, for those that were explored: of the code that ran, not of today's."""
    settle_ms: int = SETTLE_MS
    """A chunk published less than this before a client left may still have been on its way."""
    target: TargetFacts | None = None
    extra: dict[str, Any] = {}

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.plan.seed


def write_manifest(run_dir: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, whole or not at all; raises WriteError."""
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    write_whole(run_dir / NAME, content)


def read_manifest(run_dir: Path) -> Manifest:
    """Read it back; raises RecordError when there is none, or it is not ours."""
    path = run_dir / NAME
    try:
        text = path.read_bytes()
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != 1:
            raise RecordError(f"{path}: manifest schema {schema}, not 1")
        manifest = msgspec.json.decode(text, type=Manifest)
    except OSError as error:
        rounds = run_dir / "rounds"
        where = f"; its load tests are those in {rounds}" if rounds.is_dir() else ""
        raise RecordError(f"{run_dir} is no run folder: {path} cannot be read{where}") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not a manifest: {error}") from error
    _check(path, manifest)
    return manifest


class _Schema(msgspec.Struct):
    """All that can be read of a manifest before its version is known."""

    schema: int = 1


def _check(path: Path, manifest: Manifest) -> None:
    if not manifest.plan.cells:
        raise RecordError(f"{path}: has no cells")
    if min(manifest.settle_ms, manifest.plan.quiet_ms, manifest.plan.duration_ms) < 0:
        raise RecordError(f"{path}: settle_ms or duration_ms is negative")
    unknown = {cell.connect for cell in manifest.plan.cells} - manifest.traits.keys()
    if unknown:
        raise RecordError(f"{path}: no traits for {', '.join(sorted(unknown))}")
