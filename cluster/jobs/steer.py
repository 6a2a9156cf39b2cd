"""`chunk7 steer`: force every interleaving on somebody's unmodified system (docs/steer.md).

```
client --ws, sse--> the target --REDIS_URL--> [proxy with gates] --> store
                                   producer --------^
```
One try at a time; the application is started anew for each schedule, because applications leak.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from chunk7.cluster.cells import cells_of, orderings
from chunk7.cluster.deployments.parts import HOST
from chunk7.cluster.deployments.probes import accepts, free_ports
from chunk7.cluster.deployments.started import StartedTarget, starting
from chunk7.cluster.deployments.store_parts import store_part
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.cluster.jobs.proof import explored_pair
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.delivery.ordering import WriteOrdering
from chunk7.instruments.recordings.judging import NotJudged
from chunk7.instruments.steer.faults import with_faults
from chunk7.instruments.steer.forcing import Bench, Patience, attempt
from chunk7.instruments.steer.learning import LearnedJoin, NothingLearned, guessed_rules, learn
from chunk7.instruments.steer.natural import natural_rate
from chunk7.instruments.steer.outcome import Natural, SteerResult, SteerRow, Try
from chunk7.instruments.steer.plan import PlannedSchedule, SteerSchedule, plan
from chunk7.instruments.steer.proxy import Proxy, one_address
from chunk7.instruments.steer.returning import Returning
from chunk7.instruments.steer.rules import Rules
from chunk7.instruments.steer.systems import Answers, Asked, Produced
from chunk7.instruments.steer.trial import Gates
from chunk7.instruments.watch.patterns import patterns
from chunk7.loadtest.targets.adapter import Adapter
from chunk7.loadtest.targets.client import TargetJoin
from chunk7.loadtest.targets.errors import TargetError
from chunk7.loadtest.targets.visiting import TargetVisit, start_visit
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.stepping import ChunkProducer
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.store.layout import TemplateLayout
from chunk7.wire.store.link import Link

VISIT_WITHIN_S = 60.0
"""A client's whole life."""
REACHABLE_WITHIN_S = 60.0
AWAY_S = 0.2
"""How long a client that comes back is away where the adapter does not say."""
REFUSED_TRIES = 3
"""A schedule that so many tries find infeasible is not tried again."""


@dataclass(frozen=True, slots=True)
class SteerSettings:
    """What to steer, and how far. `redis` None: a store of our own."""

    adapter: Adapter
    redis: str | None = field(repr=False)
    listen: tuple[str, int] | None
    rules: Rules
    """Stated by options, beside those that the adapter's layout gives."""
    tls: ssl.SSLContext | None = None
    """Of the proxy's listening side."""
    writes: tuple[str, ...] = ()
    tries: int = 20
    natural: int = 50
    chunks: int = 1
    joiners: int = 1
    leaver: bool = False
    comeback: bool = False
    """The join is of a client that comes back, as the adapter's `resume` says."""
    faults: tuple[str, ...] = ()
    """Of `STEER_FAULTS`: each strikes once more than the orders."""
    schedule: SteerSchedule | None = None
    """To be forced alone; None: all."""
    patience: Patience = field(default_factory=Patience)
    i_know: bool = False


class SteerReport(Protocol):
    """Is told what happens, as it happens."""

    def say(self, line: str) -> None:
        """A line of the story."""

    def learned(self, learned: LearnedJoin) -> None:
        """What the natural joins showed."""

    def row(self, row: SteerRow) -> None:
        """A schedule has been forced as often as wanted."""


async def steer(settings: SteerSettings, folder: Path, report: SteerReport) -> list[SteerResult]:
    """One result a write ordering. Raises Chunk7Error for what cannot be steered."""
    writes = _writes(settings)
    if settings.redis is not None:
        one_address(settings.redis)
    async with Cluster(folder) as cluster:
        store = settings.redis or await _own_store(cluster, folder)
        control = await Link.open(store, "chunk7-steer")
        try:
            await _check(control, settings.i_know)
            async with _Stage(settings, folder, store, control, report).open() as stage:
                return [await stage.steer(write) for write in writes]
        finally:
            await control.close()


async def _own_store(cluster: Cluster, folder: Path) -> str:
    [port] = free_ports(1)
    await cluster.start(store_part(folder, port))
    return f"redis://{HOST}:{port}/0"


async def _check(control: Link, i_know: bool) -> None:
    """Raise UsageError for a store that must not, or cannot, be steered."""
    info = (await control.send("INFO", "server")).decode(errors="replace")
    facts = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    mode = facts.get("redis_mode") or facts.get("server_mode", "standalone")
    if mode != "standalone":
        raise UsageError(f"--redis: the store is a {mode}; steer is for a single server")
    clients = (await control.send("CLIENT", "LIST")).decode(errors="replace").splitlines()
    others = len(clients) - 1
    if others > 0 and not i_know:
        raise UsageError(
            f"--redis: the store has {others} other client{'s' * (others != 1)}: steer holds up "
            "commands and is never for production; --i-know if this store is for tests alone"
        )


def _writes(settings: SteerSettings) -> list[tuple[str, WriteOrdering | None]]:
    """By name; None where the target makes its answers itself."""
    cells = cells_of(settings.adapter, settings.writes)
    if settings.adapter.ask is not None:
        return [(cells.cells[0].write, None)]
    _, known = orderings(cells)
    return [(cell.write, known[cell.write]) for cell in cells.cells]


class _Stage:
    """The proxy, the application, and whatever a try needs."""

    def __init__(
        self,
        settings: SteerSettings,
        folder: Path,
        store: str,
        control: Link,
        report: SteerReport,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._store = store
        self._control = control
        self._report = report
        self._gates = Gates(_rules(settings))
        self._proxy = Proxy(
            store, self._gates, listen=settings.listen or (HOST, 0), tls=settings.tls
        )
        self._target: StartedTarget | None = None
        self._sessions = 0
        self._unseen: set[str] = set()
        """From what on some connection passed unparsed."""
        self._mixed = False
        """What earlier tries left behind is among what a try reads: each has its own start."""
        self._run = f"steer-{time.time_ns() // 1_000_000 % 10**9}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator["_Stage"]:
        """Proxy and application, started; stopped with the block."""
        async with self._proxy:
            adapter = self._settings.adapter
            if adapter.start is None:
                await self._wait_for_target()
                yield self
                return
            async with StartedTarget(adapter, self._proxy.url, self._folder) as target:
                self._target = target
                self._report.say(f"{starting(adapter)}, with the proxy as its REDIS_URL")
                yield self

    async def _wait_for_target(self) -> None:
        """The user starts it, with the proxy's address."""
        parts = urlsplit(self._settings.adapter.url)
        port = parts.port or {"ws": 80, "http": 80}.get(parts.scheme, 443)
        self._report.say(
            f"start the target with REDIS_URL={self._proxy.shown_url}; waiting for it at "
            f"{parts.hostname}:{port}"
        )
        until_s = time.monotonic() + REACHABLE_WITHIN_S
        while not await accepts(parts.hostname or "", port):
            if time.monotonic() > until_s:
                raise Chunk7Error(
                    f"nobody listens at {parts.hostname}:{port} (url in "
                    f"{self._settings.adapter.file}) within {REACHABLE_WITHIN_S:g} s"
                )
            await asyncio.sleep(0.2)

    # --- one write ordering ---

    async def steer(self, named: tuple[str, WriteOrdering | None]) -> SteerResult:
        """Learn, plan, force, judge."""
        write, ordering = named
        settings = self._settings
        if self._target is not None and self._sessions:  # it has been used
            await self._target.restart(redis_url=self._proxy.url)
        bench = self._bench(ordering, self._near_url())
        learned = await self._learned(bench)
        self._report.learned(learned)
        bench = replace(bench, read_like=learned.read_like, patience=learned.patience)
        self._mixed = any(rule.is_of_all for rule in learned.system.rules.rules)
        rows = [await self._row(bench, planned) for planned in self._planned(learned)]
        result = SteerResult(
            target=settings.adapter.name,
            learned=learned.system,
            rows=tuple(rows),
            write=write if ordering is not None else None,
            natural=await self._natural(ordering),
            notes=(*learned.notes, *unheeded(settings, learned), *_unseen_notes(self._unseen)),
            replayed=settings.schedule is not None,
            comeback=settings.comeback,
        )
        return replace(result, explored=_explored(result.pair))

    async def _learned(self, bench: Bench) -> LearnedJoin:
        """Raises PartDied if the target has died over it, NothingLearned if no join works."""
        settings = self._settings
        try:
            if not self._gates.rules.rules:
                self._gates.rules = await guessed_rules(bench, self.new_session)
            return await learn(
                bench, self.new_session, joiners=settings.joiners, leaver=settings.leaver
            )
        except (TargetError, NotJudged, Chunk7Error, TimeoutError, OSError) as error:
            if self._target is not None:
                self._target.check()
            if isinstance(error, Chunk7Error):
                raise
            why = str(error) or type(error).__name__
            raise NothingLearned(f"a join that nothing holds does not work: {why}") from error

    def _planned(self, found: LearnedJoin) -> Sequence[PlannedSchedule]:
        settings, learned = self._settings, found.system
        if settings.schedule is not None:
            return (PlannedSchedule(settings.schedule),)
        faults = with_faults(settings.faults, learned.join, learned.write)
        orders = plan(
            learned.join,
            learned.join_keeps,
            learned.write,
            learned.write_keeps,
            chunks=settings.chunks,
            joiners=settings.joiners,
            leaver=settings.leaver,
            second=found.second or None,
        )
        return (*orders, *map(PlannedSchedule, faults))

    async def _row(self, bench: Bench, planned: PlannedSchedule) -> SteerRow:
        tries: list[Try] = []
        if planned.infeasible is None:
            if self._target is not None:
                await self._target.restart()
            tries += await self._tries(bench, planned.schedule)
        seen = self._proxy.connections.values()
        self._unseen |= {connection.unseen for connection in seen if connection.unseen}
        row = SteerRow(planned, tuple(tries))
        self._report.row(row)
        return row

    async def _tries(self, bench: Bench, schedule: SteerSchedule) -> list[Try]:
        tries: list[Try] = []
        while len(tries) < self._settings.tries:
            if tries and self._mixed and self._target is not None:
                await self._target.restart()
            tries.append(await attempt(bench, schedule, self.new_session()))
            if len(tries) == REFUSED_TRIES and all(one.infeasible for one in tries):
                break
        return tries

    async def _natural(self, ordering: WriteOrdering | None) -> Natural | None:
        """Joins that nothing holds, without the proxy: only of an application that we start."""
        if self._target is None or not self._settings.natural:
            return None
        await self._target.restart(redis_url=self._store)
        bench = self._bench(ordering, self._store)
        return await natural_rate(bench, self._settings.natural, self.new_session)

    # --- what a try needs ---

    def new_session(self) -> str:
        """A name that nobody has used."""
        self._sessions += 1
        return f"{self._run}-{self._sessions}"

    def _near_url(self) -> str:
        """The proxy for our own producer, which need not be shown that the proxy is ours."""
        trusting = "?ssl_cert_reqs=none&ssl_check_hostname=false" if self._settings.tls else ""
        return self._proxy.url + trusting

    def _bench(self, ordering: WriteOrdering | None, url: str) -> Bench:
        return Bench(
            gates=self._gates,
            open_answers=lambda session: self._answers(ordering, url, session),
            join=self._join,
            is_blocked=self._is_blocked,
            read_again=self._read_again,
            patience=self._settings.patience,
            returning=_returning(self._settings),
        )

    def _adapter(self) -> Adapter:
        return self._target.adapter if self._target is not None else self._settings.adapter

    def _answers(self, ordering: WriteOrdering | None, url: str, session: str) -> Answers:
        adapter = self._adapter()
        if ordering is None:
            return Asked(adapter, TargetJoin(session, 1, 1))
        assert adapter.produce is not None, "our producer writes only where the adapter says how"
        layout, ttl_s = TemplateLayout(adapter.produce.templates()), adapter.produce.ttl_s
        return Produced(lambda name: ChunkProducer(url, layout, ordering, name, ttl_s), session)

    def _join(self, session: str, number: int, after: str | int | None) -> TargetVisit:
        place = TargetJoin(session, number, number + 1, after)
        return start_visit(self._adapter(), place, VISIT_WITHIN_S)

    async def _read_again(self, name: str, args: tuple[bytes, ...]) -> object:
        return await self._control.send(name, *args)

    async def _is_blocked(self, address: str) -> bool:
        clients = (await self._control.send("CLIENT", "LIST")).decode(errors="replace")
        for line in clients.splitlines():
            facts = dict(word.partition("=")[::2] for word in line.split())
            if facts.get("addr") == address:
                return "b" in facts.get("flags", "")
        return False


def _unseen_notes(unseen: set[str]) -> Iterator[str]:
    for why in sorted(unseen):
        yield f"a connection passed unseen after: {why}; what it did later was not held, nor seen"


def _returning(settings: SteerSettings) -> Returning | None:
    resume = settings.adapter.resume
    if not settings.comeback or resume is None:
        return None
    away_s = AWAY_S if resume.away_ms is None else resume.away_ms / 1_000
    return Returning(None if resume.by == "nothing" else resume.value, away_s)


def unheeded(settings: SteerSettings, learned: LearnedJoin) -> Iterator[str]:
    """A sentence for each thing that was asked for and has no effect on this system."""
    system = learned.system
    for rule in settings.rules.rules:
        if rule not in system.rules.rules:
            yield f"{rule.option}: no command of an ordinary join was this"
    for name in settings.faults:
        if not with_faults([name], system.join, system.write):
            yield f"--faults {name}: has no moment in a join that is {', '.join(system.join)}"


def _explored(pair: tuple[str, str] | None) -> str | None:
    """What every interleaving says of the pair of ours that the system is like."""
    if pair is None or pair[1] not in WRITE_ORDERINGS:
        return None
    connect, write = CONNECT_ORDERINGS[pair[0]], WRITE_ORDERINGS[pair[1]]
    return explored_pair(connect, write, {}, lambda: None)[1].verdict


def _rules(settings: SteerSettings) -> Rules:
    """Those of options; of the adapter's layout where none says what it is."""
    produce = settings.adapter.produce
    if produce is None:
        return settings.rules
    templates = produce.templates()
    own = patterns([templates.history], [templates.channel], [templates.stream])
    return Rules.of_patterns(own).plus(settings.rules.rules)
