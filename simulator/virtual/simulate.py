"""Simulate one cell: settings and two orderings in, one result out, by either engine."""

from collections import deque
from collections.abc import Callable, Iterator

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ClientPolicy, ConnectOrdering, WriteOrdering, pair
from chunk7.simulator.virtual import events, vectorised
from chunk7.simulator.virtual.chunks import Timeline, timelines_by_events, timelines_by_law
from chunk7.simulator.virtual.program import merges
from chunk7.simulator.virtual.results import Tally
from chunk7.simulator.virtual.settings import Engine, SimulationSettings
from chunk7.wire.account import CellAccount


def simulate(
    settings: SimulationSettings,
    connect: ConnectOrdering,
    write: WriteOrdering,
    tick: Callable[[], None] = lambda: None,
) -> CellAccount:
    """What the cell comes to under these settings. The same arguments give the same result.

    `tick` and what is raised: as for `simulating`.
    """
    (result,) = deque(simulating(settings, connect, write, tick), maxlen=1)
    assert isinstance(result, CellAccount)
    return result


def simulating(
    settings: SimulationSettings,
    connect: ConnectOrdering,
    write: WriteOrdering,
    tick: Callable[[], None] = lambda: None,
    written: dict[str, list[Timeline]] | None = None,
) -> Iterator[int | CellAccount]:
    """The same while it happens: how many connections are done, block by block; last the result.

    0 comes first, once the orderings are known to be fit, and before anything takes time.

    `tick` is called now and then, as a sign of life: other people's orderings may never end.
    `written` keeps the answers of each write ordering, by its name, for the next cell of the same
    settings.

    Raises UsageError when the two orderings do not pair or the engine cannot express one of them,
    OrderingError when one is broken.
    """
    if not pair(connect, write):
        raise UsageError(
            f"{connect.name} reads the {connect.feed} feed and {write.name} writes to {write.feed}"
        )
    if not isinstance(connect.client, ClientPolicy):
        raise UsageError(f"{connect.name}: simulate has no clients but {', '.join(ClientPolicy)}")
    yield 0
    written = {} if written is None else written
    if write.name not in written:
        written[write.name] = _timelines(settings, write, tick)
    timelines = written[write.name]
    if settings.engine is Engine.EVENTS:
        found = events.outcomes(settings, connect, timelines, tick)
    else:
        found = vectorised.outcomes(settings, connect, timelines)
    fills = connect.mends
    tally = Tally(settings, timelines, fills=fills, merges=merges(connect))
    done = 0
    for outcome in found:
        tally.add(outcome)
        tick()
        done += len(outcome.lost)
        yield done
    yield tally.result(connect.name, write.name)


def _timelines(
    settings: SimulationSettings, write: WriteOrdering, tick: Callable[[], None]
) -> list[Timeline]:
    if settings.engine is Engine.EVENTS:
        return timelines_by_events(settings, write, tick)
    return timelines_by_law(settings, write)
