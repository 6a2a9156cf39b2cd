"""An answer's chunks in virtual time: intended, published, saved, and delivered to the nodes.

Both engines start from these instants but come to them on two ways: `timelines_by_events` runs the
write ordering itself, chunk by chunk, and `timelines_by_law` performs its list of steps on arrays.

What is modelled: the producer starts a chunk at its intended instant, however late the last one is
(open loop); a command takes one latency to the store and one back; and order is kept (TCP): the
j-th command of a chunk, and its reply, never overtake those of the chunk before. Deliveries keep
the order of publication. All nodes get a chunk at the same moment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.cursor import CLOCK_START_MS, EntryId, cursor_of, next_id
from chunk7.delivery.effects import (
    Append,
    NextSeq,
    NumberSaveAndPublish,
    Pause,
    Publish,
    Save,
    SaveAndPublish,
    WriteEffect,
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.ordering import WriteOrdering
from chunk7.delivery.stepping import Steps
from chunk7.simulator.virtual.distributions import Distribution, Durations
from chunk7.simulator.virtual.paths import Path, Paths
from chunk7.simulator.virtual.population import Purpose, generator
from chunk7.simulator.virtual.program import check_regular, write_program
from chunk7.simulator.virtual.settings import Arrivals, SimulationSettings

SESSION_ID = "s"
"""Of every session: each is alone in a world of its own, and worlds that look alike are."""

_BURST = 8
_FASTER = 4


@dataclass(frozen=True, slots=True)
class Timeline:
    """One session's answer. Instants in ms from the start of the wave, each array ascending.

    `published[i]` and `saved[i]` are the chunks in the order of those events. `regular` says that
    both are the answer's chunks in their order, numbered from 1, each exactly once. `arrive_ms`
    belongs to `publish_ms`: when the node has the publication. `number_ms` is when numbers were
    taken.
    """

    chunks: int
    intended_ms: Durations
    number_ms: Durations
    publish_ms: Durations
    save_ms: Durations
    arrive_ms: Durations
    published: tuple[Chunk, ...]
    saved: tuple[Chunk, ...]
    regular: bool


def id_at(last: EntryId, at_ms: float) -> EntryId:
    """The id of an entry that is appended behind `last` at an instant of the wave."""
    return next_id(last, CLOCK_START_MS + int(at_ms))


def intended_instants(settings: SimulationSettings, session: int) -> Durations:
    """When the model emits the chunks of an answer, ascending, all within `answer_ms`.

    Even: one in the middle of each of `message_chunks` equal slots. Otherwise a renewal process cut
    at `answer_ms`, so that the number of chunks varies; with exponential gaps it is Poisson's.
    """
    if settings.arrivals is Arrivals.EVEN:
        slots = np.arange(settings.message_chunks, dtype=np.float64)
        return (slots + 0.5) * (1_000 / settings.chunk_rate)
    rng = generator(settings.seed, Purpose.CHUNKS, session)
    instants = np.zeros(0)
    last = 0.0
    while last < settings.answer_ms:
        gaps = _gaps(settings, rng, settings.message_chunks + 16)
        instants = np.concatenate((instants, last + np.cumsum(gaps)))
        last = float(instants[-1])
    within: Durations = instants[instants < settings.answer_ms]
    return within


def _gaps(settings: SimulationSettings, rng: np.random.Generator, count: int) -> Durations:
    mean_ms = 1_000 / settings.chunk_rate
    if settings.arrivals is Arrivals.POISSON:
        return rng.exponential(mean_ms, count)
    if settings.arrivals is Arrivals.BURSTY:
        stall_ms = mean_ms * (_BURST - (_BURST - 1) / _FASTER)
        stalls = rng.random(count) < 1 / _BURST
        return rng.exponential(1.0, count) * np.where(stalls, stall_ms, mean_ms / _FASTER)
    assert not isinstance(settings.arrivals, Arrivals)
    return settings.arrivals.draw(rng, count) * (mean_ms / settings.arrivals.mean_ms)


def timelines_by_law(settings: SimulationSettings, write: WriteOrdering) -> list[Timeline]:
    """Every session's timeline, by arrays.

    Raises UsageError for an ordering that does not number, publish and save each chunk once.
    """
    program = write_program(write)
    check_regular(write)
    return [_by_law(settings, program, session) for session in range(settings.sessions)]


def _by_law(
    settings: SimulationSettings, program: tuple[type[WriteEffect], ...], session: int
) -> Timeline:
    intended = intended_instants(settings, session)
    draws = _WriteDraws(settings, session, len(intended))
    now = intended
    at: dict[str, Durations] = {}
    for effect in program:
        if effect is Pause:
            now = now + draws.lag()
            continue
        executed = np.maximum.accumulate(now + draws.latency())
        now = np.maximum.accumulate(executed + draws.latency())
        for name in _MARKS[effect]:
            at[name] = executed
    return Timeline(
        len(intended),
        intended,
        at["number"] if "number" in at else at["publish"],
        at["publish"],
        at["save"],
        _arrivals(settings, session, at["publish"]),
        (),
        (),
        regular=True,
    )


_MARKS: dict[type[WriteEffect], tuple[str, ...]] = {
    NextSeq: ("number",),
    Publish: ("publish",),
    Save: ("save",),
    SaveAndPublish: ("save", "publish"),
    NumberSaveAndPublish: ("number", "save", "publish"),
    Append: ("save", "publish"),
}


class _WriteDraws:
    """The producer's durations for one answer: the j-th of every chunk at once."""

    def __init__(self, settings: SimulationSettings, session: int, count: int) -> None:
        self._settings = settings
        self._session = session
        self._count = count
        self._latencies = 0
        self._lags = 0

    def latency(self) -> Durations:
        self._latencies += 1
        return self._draw(self._settings.store_latency, Purpose.WRITE_LATENCY, self._latencies - 1)

    def lag(self) -> Durations:
        self._lags += 1
        return self._draw(self._settings.save_lag, Purpose.SAVE_LAG, self._lags - 1)

    def _draw(self, distribution: Distribution, purpose: Purpose, number: int) -> Durations:
        rng = generator(self._settings.seed, purpose, self._session, number)
        return distribution.draw(rng, self._count)


def _arrivals(settings: SimulationSettings, session: int, publish_ms: Durations) -> Durations:
    rng = generator(settings.seed, Purpose.DELIVERY, session)
    return np.maximum.accumulate(publish_ms + settings.delivery.draw(rng, len(publish_ms)))


def timelines_by_events(
    settings: SimulationSettings, write: WriteOrdering, tick: Callable[[], None] = lambda: None
) -> list[Timeline]:
    """Every session's timeline, by running the write ordering for each chunk. `tick` is called for
    every session.

    Raises OrderingError for a broken ordering, UsageError for one that needs its receivers.
    """
    write_program(write)
    timelines = []
    paths = Paths()  # of all sessions: their chunks are alike
    for session in range(settings.sessions):
        timelines.append(_by_events(settings, write, paths, session))
        tick()
    return timelines


class _Log:
    """What one answer's chunks did at the store, and how far each command stream has come."""

    def __init__(self, draws: "_WriteDraws") -> None:
        self._draws = draws
        self._latencies: list[list[float]] = []
        self._lags: list[list[float]] = []
        self._executed_ms: list[float] = []
        self._replied_ms: list[float] = []
        self.number_ms: list[float] = []
        self.publications: list[tuple[float, Chunk]] = []
        self.saves: list[tuple[float, Chunk]] = []
        self.last_id: EntryId = (0, 0)

    def lag_ms(self, number: int, position: int) -> float:
        """The number-th pause of the chunk at that position."""
        if number == len(self._lags):
            self._lags.append(self._draws.lag().tolist())
        return self._lags[number][position]

    def command(self, number: int, position: int, now: float) -> tuple[float, float]:
        """When the number-th command of the chunk is executed, and when its reply is here.

        Neither comes before those of the chunk before.
        """
        if number == len(self._executed_ms):
            self._executed_ms.append(0.0)
            self._replied_ms.append(0.0)
            self._latencies += (self._draws.latency().tolist() for _ in range(2))
        executed = now + self._latencies[2 * number][position]
        if executed < self._executed_ms[number]:
            executed = self._executed_ms[number]
        replied = executed + self._latencies[2 * number + 1][position]
        if replied < self._replied_ms[number]:
            replied = self._replied_ms[number]
        self._executed_ms[number], self._replied_ms[number] = executed, replied
        return executed, replied


def _by_events(
    settings: SimulationSettings, write: WriteOrdering, paths: Paths, session: int
) -> Timeline:
    intended = intended_instants(settings, session)
    log = _Log(_WriteDraws(settings, session, len(intended)))
    for position, start_ms in enumerate(intended.tolist()):
        chunk = Chunk(SESSION_ID, "m0", position, "", final=position == len(intended) - 1)
        path = paths.begin((position, chunk.final), _generator(write, chunk))
        _write(log, paths, path, position, start_ms)
    publications = sorted(log.publications, key=itemgetter(0))
    saves = sorted(log.saves, key=itemgetter(0))
    published = tuple(chunk for _, chunk in publications)
    saved = tuple(chunk for _, chunk in saves)
    publish_ms = np.array([at for at, _ in publications])
    expected = [(number, number + 1) for number in range(len(intended))]
    return Timeline(
        len(intended),
        intended,
        np.sort(np.array(log.number_ms)),
        publish_ms,
        np.array([at for at, _ in saves]),
        _arrivals(settings, session, publish_ms),
        published,
        saved,
        regular=all(
            [(chunk.index, chunk.seq) for chunk in chunks] == expected
            for chunks in (published, saved)
        ),
    )


def _generator(write: WriteOrdering, chunk: Chunk) -> Callable[[], Steps]:
    return lambda: Steps(write.steps(chunk))


def _write(log: _Log, paths: Paths, path: Path, position: int, start_ms: float) -> None:
    """Go along the ordering's path for one chunk from its intended instant to its end."""
    now, commands, pauses = start_ms, 0, 0
    while path.effect is not None:
        answer: Any = None
        if isinstance(path.effect, Pause):
            now += log.lag_ms(pauses, position)
            pauses += 1
        else:
            executed, now = log.command(commands, position, now)
            commands += 1
            answer = _execute(log, path, executed)
        path = path.after.get(answer) or paths.learn(path, answer, answer)


def _execute(log: _Log, path: Path, at_ms: float) -> Any:
    """What the store does, and answers, at that instant. Somebody always listens."""
    match path.effect:
        case NextSeq():
            log.number_ms.append(at_ms)
            return len(log.number_ms)
        case Publish(chunk):
            log.publications.append((at_ms, chunk))
            return 1
        case Save(chunk):
            log.saves.append((at_ms, chunk))
            return None
        case SaveAndPublish(chunk):
            _both(log, at_ms, chunk)
            return 1
        case NumberSaveAndPublish(chunk):
            log.number_ms.append(at_ms)
            number = len(log.number_ms)
            if path.note is None or path.note.seq != number:
                path.note = chunk.numbered(number)
            _both(log, at_ms, path.note)
            return 1
        case Append(chunk):
            _both(log, at_ms, chunk)
            log.last_id = id_at(log.last_id, at_ms)
            return cursor_of(log.last_id)
        case _:
            raise OrderingError(f"a write ordering cannot ask for {type(path.effect).__name__}")


def _both(log: _Log, at_ms: float, chunk: Chunk) -> None:
    log.saves.append((at_ms, chunk))
    log.publications.append((at_ms, chunk))
