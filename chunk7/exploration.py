"""Explore pairs of orderings, ours and other people's; those where they can be stopped."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from chunk7.delivery.clients import CLIENTS
from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering, pair
from chunk7.delivery.own_client import resolve_client
from chunk7.delivery.properties import load_properties
from chunk7.delivery.registry import Ordering, resolve
from chunk7.faults import FAULTS, SAME_AS, STRIKES
from chunk7.faults.fault import MAX_STRIKES, StrikesOthers
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.company import ANY, in_company
from chunk7.simulator.explore.drawing import (
    DrawnSchedule,
    drawn,
    drawn_breaking,
    drawn_for_ever,
    rerun,
)
from chunk7.simulator.explore.guard import guarded
from chunk7.simulator.explore.liveness import in_the_end
from chunk7.simulator.explore.properties import check_properties
from chunk7.simulator.explore.schedule import ALWAYS, Failure, Schedule
from chunk7.simulator.explore.schedule import document as schedule_document
from chunk7.simulator.explore.search import ExploreVerdict, SearchLimits, explore
from chunk7.simulator.explore.state import ExploreCell

_FELT_BY_OTHERS = {name for name, fault in STRIKES.items() if isinstance(fault, StrikesOthers)}
Item = TypeVar("Item", covariant=True)
Tick = Callable[[], None]


class _SharedJob(Protocol[Item]):
    """A job of several processes: what each does of the whole is its share."""

    def __call__(self, tick: Tick, share: slice) -> Iterator[Item]: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """A cell's result as values that cross a process boundary.

    `document` is the cell in the JSON of `chunk7 explore` (docs/exploration.md). `examples` has the
    shortest schedule of each failure found, and its drawing.
    """

    document: dict[str, Any]
    examples: dict[Failure, tuple[Schedule, DrawnSchedule]]
    seconds: float

    @property
    def by_default(self) -> list[Failure]:
        """What is drawn unless something else is asked for: a loss, or else a jam, or else what a
        client is wrongly told, or not told, or shown."""
        first = (Failure.LOSSY, Failure.STUCK, *(kind for kind in Failure if kind not in ALWAYS))
        return [kind for kind in first if kind in self.examples][:1]

    @property
    def drawing(self) -> str | None:
        """The shortest schedule that loses, or gets stuck, drawn; None without one."""
        return next((self.examples[kind][1].text() for kind in self.by_default), None)

    @property
    def name(self) -> str:
        """As people read it."""
        return f"{self.document['connect']} x {self.document['write']}"

    @property
    def verdict(self) -> str:
        """lossless, loses or unknown."""
        return str(self.document["verdict"])


def explored(
    connects: Sequence[str | ConnectOrdering],
    writes: Sequence[str | WriteOrdering],
    faults: Sequence[str],
    chunks: int,
    joiners: int,
    limits: SearchLimits,
    jobs: int = 1,
    **terms: Any,
) -> Iterator[Finding]:
    """What every pair that shares a feed comes to, with so many chunks and joiners each.

    Orderings are names, `path/to/file.py:name`, `all` (also: none) or objects; `jobs` is in how
    many processes at once; joiners may be `company.ANY`, `terms` are further fields of
    `ExploreCell`, `client` by its name or as `path/to/file.py:Name`. Raises UsageError for an
    ordering, client or fault that does not exist and when none pair, OrderingError for one that
    breaks the protocol or loops for ever.
    """
    return _each_cell(
        lambda cell, tick: find(cell, replace(limits, tick=tick)),
        (connects, writes, faults), (chunks, joiners), terms, jobs,
    )  # fmt: skip


class Lived(NamedTuple):
    """Where a pair's fair runs end (`chunk7.simulator.explore.liveness`), and one that fails drawn.

    `document` is the cell in the JSON of `chunk7 explore --liveness`.
    """

    document: dict[str, Any]
    drawing: DrawnSchedule | None
    seconds: float


def lived(
    connects: Sequence[str | ConnectOrdering] = (),
    writes: Sequence[str | WriteOrdering] = (),
    faults: Sequence[str] = (),
    chunks: int = 3,
    joiners: int = 1,
    limits: SearchLimits | None = None,
    jobs: int = 1,
    **terms: Any,
) -> Iterator[Lived]:
    """Whether in the end every client has everything; arguments and errors as for `explored`."""
    limits = limits or SearchLimits()

    def look(cell: ExploreCell, tick: Tick) -> Lived:
        found = in_the_end(cell, replace(limits, tick=tick))
        return Lived(found.document(), drawn_for_ever(found), found.seconds)

    return _each_cell(look, (connects, writes, faults), (chunks, joiners), terms, jobs)


class Proved(NamedTuple):
    """What a pair makes of properties of one's own, and a schedule that breaks each, drawn.

    `document` is the cell in the JSON of `chunk7 explore --properties`.
    """

    document: dict[str, Any]
    drawings: dict[str, DrawnSchedule]
    seconds: float


def proved(
    file: Path,
    connects: Sequence[str | ConnectOrdering] = (),
    writes: Sequence[str | WriteOrdering] = (),
    faults: Sequence[str] = (),
    chunks: int = 3,
    joiners: int = 1,
    limits: SearchLimits | None = None,
    jobs: int = 1,
    **terms: Any,
) -> Iterator[Proved]:
    """Hold a file's properties against every pair; other arguments and errors as for `explored`.

    The file is run in another process. Raises UsageError when it has no property.
    """
    limits = limits or SearchLimits()
    properties = cache(partial(load_properties, file))  # in the process that may run it, once

    def look(cell: ExploreCell, tick: Tick) -> Proved:
        found = check_properties(cell, properties(), replace(limits, tick=tick))
        drawings = {
            name: drawn_breaking(_cell_of(cell, example), example, name)
            for name, example in found.examples.items()
        }
        return Proved(found.document(), drawings, found.seconds)

    pairing, size = (connects, writes, faults), (chunks, joiners)
    return _each_cell(look, pairing, size, terms, jobs, foreign=True)


@dataclass(frozen=True, slots=True)
class Survival:
    """What a pair comes to under one fault that strikes at most once.

    `same_as` is the fault whose schedules were explored: `fault` itself, or what stands for it
    (`faults/same_as.py`), None where it only delays. `verdict` is `keeps` (no schedule loses),
    `loses` (one does, whether clients resume or start over) or `unknown` (a bound was reached).
    `without_fault` is that of the pair when nothing strikes.
    `schedule` is a shortest one that loses, None unless the verdict is `loses`.
    """

    connect: str
    write: str
    fault: str
    same_as: str | None
    verdict: str
    without_fault: str
    schedule: Schedule | None

    @property
    def loses_anyway(self) -> bool:
        """Whether the pair loses with no fault at all; then nothing else was explored."""
        return self.without_fault == "loses"

    def document(self) -> dict[str, Any]:
        """The row in the JSON of `chunk7 explore --survival`."""
        row = {name: getattr(self, name) for name in self.__slots__}
        return row | {"schedule": self.schedule and schedule_document(self.schedule)}


def survival(
    connects: Sequence[str | ConnectOrdering] = (),
    writes: Sequence[str | WriteOrdering] = (),
    faults: Sequence[str] = (),
    chunks: int = 2,
    joiners: int = 1,
    limits: SearchLimits | None = None,
    jobs: int = 1,
    **terms: Any,
) -> list[Survival]:
    """Every pair that shares a feed under each of `faults`, one fault at a time.

    Orderings and errors as for `explored`; faults are any of `FAULTS`, `all` or none for all that
    have schedules of their own (STRIKES). `limits` bound each exploration.
    """
    return list(surviving(connects, writes, faults, chunks, joiners, limits, jobs, **terms))


def surviving(
    connects: Sequence[str | ConnectOrdering],
    writes: Sequence[str | WriteOrdering],
    faults: Sequence[str],
    chunks: int,
    joiners: int,
    limits: SearchLimits | None,
    jobs: int = 1,
    **terms: Any,
) -> Iterator[Survival]:
    """The same one by one: pair after pair, and of each the faults in the registry's order."""
    each = _each_fault(faults, joiners)
    connects = _wanted("--connect", connects, CONNECT_ORDERINGS)
    writes = _wanted("--write", writes, WRITE_ORDERINGS)
    limits = limits or SearchLimits()

    def job(tick: Tick, share: slice) -> Iterator[list[Survival]]:
        for connect, write in _pairs(connects, writes)[share]:
            calm = ExploreCell(connect, write, chunks, joiners, **terms)
            yield list(_survivals(calm, each, replace(limits, tick=tick)))

    return chain.from_iterable(_run(job, connects, writes, jobs))


def _survivals(
    calm: ExploreCell, faults: Sequence[str], limits: SearchLimits
) -> Iterator[Survival]:
    """Of one pair. A fault may stay away, so what loses without one loses with each."""
    known: dict[str | None, tuple[str, Schedule | None]] = {None: _survival(calm, limits)}
    without_fault = known[None][0]
    for fault in faults:
        same_as = SAME_AS.get(fault, fault)
        cause = None if without_fault == "loses" else same_as
        if cause is not None and cause not in known:
            known[cause] = _survival(replace(calm, faults=(cause,)), limits)
        verdict, schedule = known[cause]
        names = calm.connect.name, calm.write.name
        yield Survival(*names, fault, same_as, verdict, without_fault, schedule)


def _survival(cell: ExploreCell, limits: SearchLimits) -> tuple[str, Schedule | None]:
    """The worst verdict over both ways to come again, and the schedule that loses."""
    results = [explore(each, limits) for each in cell.with_each_client()]
    for result in results:
        if result.verdict is ExploreVerdict.LOSES:
            return "loses", result.counterexamples[Failure.LOSSY]
    unknown = any(result.verdict is ExploreVerdict.UNKNOWN for result in results)
    return "unknown" if unknown else "keeps", None


def _each_fault(wanted: Sequence[str], joiners: int) -> tuple[str, ...]:
    """Any that there is, in the registry's order; of all, those that so many clients can feel."""
    for name in wanted:
        if name not in FAULTS and name != "all":
            raise UsageError(f"--faults {name}: one of {', '.join(FAULTS)}, or all")
        _check_felt(name, joiners)
    every = {name for name in STRIKES if joiners > 1 or name not in _FELT_BY_OTHERS}
    every = every if "all" in wanted or not wanted else set()
    return tuple(name for name in FAULTS if name in wanted or name in every)


def _each_cell(
    look: Callable[[ExploreCell, Tick], Item],
    pairing: tuple[Sequence[str | ConnectOrdering], Sequence[str | WriteOrdering], Sequence[str]],
    size: tuple[int, int],
    terms: Mapping[str, Any],
    jobs: int,
    foreign: bool = False,
) -> Iterator[Item]:
    """What is seen of every pair, with clients that resume and, where they differ, start over.

    `pairing` is connect and write orderings and faults, `size` chunks and joiners.
    """
    may_strike = _chosen_faults(pairing[2], size[1])
    connects = _wanted("--connect", pairing[0], CONNECT_ORDERINGS)
    writes = _wanted("--write", pairing[1], WRITE_ORDERINGS)

    def job(tick: Tick, share: slice) -> Iterator[Item]:
        pairs, rest = _pairs(connects, writes), _terms(terms)
        like = [_cell(*each, *size, may_strike, **rest) for each in pairs]
        for cell in [cell for one in like for cell in one.with_each_client()][share]:
            yield look(cell, tick)

    return _run(job, connects, writes, jobs, terms.get("client"), foreign)


def _run(
    job: _SharedJob[Item],
    connects: Sequence[object],
    writes: Sequence[object],
    jobs: int,
    client: object = None,
    foreign: bool = False,
) -> Iterator[Item]:
    """Here, or in processes of their own: more than one, or not all of the code is ours."""
    jobs = min(jobs, len(connects) * len(writes))
    ours = {*CONNECT_ORDERINGS, *WRITE_ORDERINGS, *CLIENTS, None}
    if jobs == 1 and ours.issuperset([*connects, *writes, client]) and not foreign:
        return job(lambda: None, slice(None))
    return guarded(*(partial(job, share=slice(place, None, jobs)) for place in range(jobs)))


def _terms(terms: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the client policy that they name."""
    client = terms.get("client")
    named = {"client": resolve_client(client, "--client")} if isinstance(client, str) else {}
    return {**terms, **named}


def _chosen_faults(wanted: Sequence[str], joiners: int) -> tuple[str, ...]:
    """In the registry's order, each as often as it may strike."""
    times: Counter[str] = Counter()
    for item in wanted:
        name, _, count = item.partition("*")
        if name not in STRIKES:
            raise UsageError(f"--faults {item}: {_instead(name)}")
        if "*" in item and count not in map(str, range(1, MAX_STRIKES + 1)):
            raise UsageError(f"--faults {item}: {name}*N strikes 1 to {MAX_STRIKES} times")
        _check_felt(name, joiners)
        times[name] += int(count or 1)
    for name, often in times.items():
        if often > MAX_STRIKES:
            raise UsageError(f"--faults {name}*{often}: it may strike 1 to {MAX_STRIKES} times")
    return tuple(name for name in STRIKES for _ in range(times[name]))


def _check_felt(name: str, joiners: int) -> None:
    """Raise UsageError for a fault that one client alone cannot feel."""
    if name in _FELT_BY_OTHERS and joiners < 2:
        raise UsageError(f"--faults {name}: only those who stay can feel it: with --joiners 2")


def _instead(name: str) -> str:
    """What to explore instead of what has no schedules."""
    if name == "all":
        return "only with --survival, which explores each by itself"
    if name not in SAME_AS:
        return f"one of {', '.join(STRIKES)}"
    other = SAME_AS[name]
    if other is None:
        return "has no schedule of its own: it only delays, and every order is explored anyway"
    return f"has no schedule of its own: its schedules are those of {other}"


def _wanted(
    option: str, given: Sequence[str | Ordering], registry: Mapping[str, Ordering]
) -> list[str | Ordering]:
    """All that is named, once each. Files are not loaded yet: that is other people's code."""
    wanted: list[str | Ordering] = []
    for item in given or ["all"]:
        if isinstance(item, str) and item != "all" and item not in registry and ".py:" not in item:
            allowed = ", ".join(registry)
            raise UsageError(f"{option} {item}: one of {allowed}, path/to/file.py:name, or all")
        wanted += registry if item == "all" else [item]
    return list(dict.fromkeys(wanted))


def _pairs(
    connects: Sequence[str | ConnectOrdering], writes: Sequence[str | WriteOrdering]
) -> list[tuple[ConnectOrdering, WriteOrdering]]:
    """Every pair that uses one feed, each ordering named as the user named it."""
    connect = _resolved("--connect", connects, CONNECT_ORDERINGS, ConnectOrdering)
    write = _resolved("--write", writes, WRITE_ORDERINGS, WriteOrdering)
    pairs = [(c, w) for c in connect for w in write if pair(c, w)]
    if not pairs:
        raise UsageError(
            f"--connect {','.join(c.name for c in connect)} pairs with none of "
            f"--write {','.join(w.name for w in write)}: one uses Pub/Sub, the other a stream"
        )
    return pairs


def _resolved(
    option: str,
    wanted: Sequence[str | Ordering],
    registry: Mapping[str, Ordering],
    kind: type[Ordering],
) -> list[Ordering]:
    return [
        replace(resolve(item, registry, kind, option), name=item) if isinstance(item, str) else item
        for item in wanted
    ]


def one_cell(
    option: str,
    connects: Sequence[str | ConnectOrdering],
    writes: Sequence[str | WriteOrdering],
    faults: Sequence[str],
    chunks: int,
    joiners: int,
    **terms: Any,
) -> ExploreCell:
    """The cell of the one pair that is named. Raises UsageError if they are more, by the option."""
    pairs = _pairs(
        _wanted("--connect", connects, CONNECT_ORDERINGS),
        _wanted("--write", writes, WRITE_ORDERINGS),
    )
    if len(pairs) > 1:
        raise UsageError(f"{option}: one --connect and one --write, not {len(pairs)} pairs")
    return _cell(*pairs[0], chunks, joiners, _chosen_faults(faults, joiners), **terms)


def _cell(
    connect: ConnectOrdering,
    write: WriteOrdering,
    chunks: int,
    joiners: int,
    faults: tuple[str, ...],
    **terms: Any,
) -> ExploreCell:
    """The cell. Raises UsageError for one client in company that cannot speak for the others."""
    cell = ExploreCell(connect, write, chunks, joiners, faults, **terms)
    return in_company(cell) if joiners == ANY else cell


def find(cell: ExploreCell, limits: SearchLimits) -> Finding:
    """Explore one cell, of our own code, here."""
    result = explore(cell, limits)
    examples = {
        kind: (example, drawn(rerun(_cell_of(cell, example), example), failure=kind))
        for kind, example in result.counterexamples.items()
    }
    return Finding(result.document(), examples, result.seconds)


def _cell_of(cell: ExploreCell, example: Schedule) -> ExploreCell:
    """The cell with as many chunks and clients as one of its examples has."""
    return replace(cell, chunks=example.chunks, joiners=example.joiners, company=False)
