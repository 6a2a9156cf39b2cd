"""Which connect x write cells a run has: from --connect and --write to orderings that pair."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chunk7.analysis.manifest import Traits
from chunk7.cluster.jobs.proof import explored_pair
from chunk7.cluster.jobs.rehearsal import rehearse
from chunk7.delivery.effects import Release
from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ClientPolicy, ConnectOrdering, WriteOrdering, pair
from chunk7.delivery.registry import Ordering, performed_live, resolve
from chunk7.loadtest.targets.adapter import Adapter
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual.program import dry_join
from chunk7.wire.account import Explored
from chunk7.wire.plan import Cell

ALL = "all"
ASKED = "ask"
"""The write side of a cell whose answers the target makes itself."""

DEFAULT_CELLS: dict[str, tuple[str, ...]] = {
    "history_then_subscribe": ("publish_then_save", "save_then_publish", "atomic_lua"),
    "subscribe_then_history": ("publish_then_save", "save_then_publish", "atomic_lua"),
    "sequence_gap_fill": ("publish_then_save", "atomic_lua"),
    "buffered_merge": ("publish_then_save", "atomic_lua"),
    "redis_streams": ("stream_append",),
}
"""The cells of a run that names none: those whose difference matters."""

_DEFAULT_WRITES = ("publish_then_save", "save_then_publish", "atomic_lua", "stream_append")


@dataclass(frozen=True, slots=True)
class Cells:
    """What a run does, and the orderings' files that nodes and producer must be told of."""

    cells: tuple[Cell, ...]
    traits: Mapping[str, Traits]
    """By connect ordering, for every one in `cells`."""
    connect_files: tuple[str, ...] = ()
    write_files: tuple[str, ...] = ()
    explored: Mapping[str, Explored] = field(default_factory=dict)
    """By cell's name: what every interleaving says of it."""


def try_and_choose(connects: Sequence[str], writes: Sequence[str]) -> Cells:
    """As `choose`, and what every interleaving says of each cell.

    Somebody's own files are loaded and explored in a process of their own first. Raises
    OrderingError also for a file that loops for ever, which would hang `choose`.
    """
    specs = [*connects, *writes]
    found = rehearse(specs, lambda tick: _explored(*_wanted(connects, writes), tick))
    return replace(choose(connects, writes), explored=dict(found))


def choose(connects: Sequence[str], writes: Sequence[str]) -> Cells:
    """The cells for these orderings: names, `path/to/file.py:name`, or `all`; none: the default.

    One side alone goes with what pairs with it on the other. Raises UsageError in one line for
    an unknown name, and for an ordering that pairs with none of those named on the other side;
    OrderingError for one that breaks the protocol.
    """
    connect, write, wanted = _wanted(connects, writes)
    used = {name: connect.orderings[name] for name, _ in wanted}
    return Cells(
        cells=tuple(Cell(*names) for names in wanted),
        traits={name: traits(ordering) for name, ordering in used.items()},
        connect_files=tuple(connect.files.values()),
        write_files=tuple(write.files.values()),
    )


def cells_of(adapter: Adapter, writes: Sequence[str]) -> Cells:
    """The cells of a run against somebody else's back end: one a write ordering of its adapter.

    `writes`: those to take instead. Raises UsageError for a name that is none, and for a target
    that nobody writes for or asks.
    """
    if adapter.ask is not None:
        if writes:
            raise UsageError(f"--write {writes[0]}: the target makes its answers itself (ask)")
        return Cells((Cell(adapter.name, ASKED),), {adapter.name: Traits()})
    if adapter.produce is None:
        raise UsageError(
            f"{adapter.file}: needs produce: or ask:, to say where the answers come from"
        )
    option = "--write" if writes else f"{adapter.file}: produce.write"
    side = _Side.of(option, writes or adapter.produce.write, WRITE_ORDERINGS, WriteOrdering)
    return Cells(
        cells=tuple(Cell(adapter.name, write) for write in side.orderings),
        traits={adapter.name: Traits()},
        write_files=tuple(side.files.values()),
    )


def pairs(
    connects: Sequence[str | ConnectOrdering], writes: Sequence[str | WriteOrdering]
) -> list[tuple[ConnectOrdering, WriteOrdering, dict[str, str]]]:
    """As `choose`, the orderings themselves, of which some may be given as objects, and the specs
    of those that are files, by name.
    """
    connect, write, wanted = _wanted(connects, writes)
    specs = {**connect.files, **write.files}
    return [(connect.orderings[c], write.orderings[w], specs) for c, w in wanted]


def orderings(cells: Cells) -> tuple[dict[str, ConnectOrdering], dict[str, WriteOrdering]]:
    """Ours and those of the user's files, by name: connect orderings, write orderings."""
    return (
        _by_name(cells.connect_files, CONNECT_ORDERINGS, ConnectOrdering),
        _by_name(cells.write_files, WRITE_ORDERINGS, WriteOrdering),
    )


def _by_name(
    files: tuple[str, ...], registry: Mapping[str, Ordering], kind: type[Ordering]
) -> dict[str, Ordering]:
    found = (resolve(spec, {}, kind) for spec in files)
    return {**registry, **{ordering.name: ordering for ordering in found}}


def _wanted(
    connects: Sequence[str | ConnectOrdering], writes: Sequence[str | WriteOrdering]
) -> tuple["_Side", "_Side", list[tuple[str, str]]]:
    """Both sides, and the names of the pairs."""
    connect = _Side.of("--connect", connects, CONNECT_ORDERINGS, ConnectOrdering)
    write = _Side.of("--write", writes, WRITE_ORDERINGS, WriteOrdering)
    if not connects and not writes:
        return connect, write, [(c, w) for c, names in DEFAULT_CELLS.items() for w in names]
    return connect, write, _product(connect, write)


def _explored(
    connect: "_Side", write: "_Side", wanted: list[tuple[str, str]], tick: Callable[[], None]
) -> Iterator[tuple[str, Explored]]:
    """Every pair in every way that a few chunks allow: what is broken shows before the run."""
    specs = {**connect.files, **write.files}
    for connect_name, write_name in wanted:
        pairing = connect.orderings[connect_name], write.orderings[write_name]
        yield explored_pair(*pairing, specs, tick)


def traits(ordering: ConnectOrdering) -> Traits:
    """What judging needs to know of an ordering, found by stepping it against an empty store.

    Raises OrderingError when it breaks the protocol, UsageError for a client of its own.
    """
    if not isinstance(ordering.client, ClientPolicy):
        known = ", ".join(ClientPolicy)
        raise UsageError(f"{ordering.name}: a run has no clients but {known}; explore has")
    return Traits(
        fills_gaps=ordering.client is ClientPolicy.FILLS_GAPS,
        merges=any(isinstance(effect, Release) for effect in dry_join(ordering)),
        recovers=ordering.recovery is not None,
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """What one option named. `explicit` are the names that the user wrote out."""

    option: str
    orderings: dict[str, Any]
    explicit: frozenset[str]
    files: dict[str, str]
    """By name, the specs of those that are files."""

    @classmethod
    def of(
        cls,
        option: str,
        specs: Sequence[str | Ordering],
        registry: Mapping[str, Ordering],
        kind: type[Ordering],
    ) -> "_Side":
        orderings: dict[str, Any] = {}
        files: dict[str, str] = {}
        for spec in specs:
            if spec == ALL:
                orderings |= registry
                continue
            found = resolve(spec, registry, kind, option) if isinstance(spec, str) else spec
            performed_live(found, option)
            if found is not registry.get(found.name, orderings.get(found.name, found)):
                given = spec if isinstance(spec, str) else f"object {found.name}"
                raise UsageError(f"{option} {given}: there already is one named {found.name}")
            orderings[found.name] = found
            if isinstance(spec, str) and spec not in registry:
                files[found.name] = spec
        explicit = frozenset(orderings) if ALL not in specs else frozenset()
        if not specs:
            default = DEFAULT_CELLS if option == "--connect" else _DEFAULT_WRITES
            orderings = {name: registry[name] for name in default}
        return cls(option, orderings, explicit, files)


def _product(connect: _Side, write: _Side) -> list[tuple[str, str]]:
    pairs = [
        (c, w)
        for c, connect_ordering in connect.orderings.items()
        for w, write_ordering in write.orderings.items()
        if pair(connect_ordering, write_ordering)
    ]
    for place, side, other in ((0, connect, write), (1, write, connect)):
        for name in sorted(side.explicit - {names[place] for names in pairs}):
            raise UsageError(
                f"{side.option} {name}: pairs with none of {other.option} "
                f"{', '.join(other.orderings)}: one uses Pub/Sub, the other a stream"
            )
    return pairs
