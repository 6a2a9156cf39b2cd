"""What an effect of a connect ordering takes, and is answered, in virtual time."""

from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from chunk7.delivery.cursor import entry_id
from chunk7.delivery.effects import (
    NEWEST,
    Confirmed,
    Follow,
    LookWhenPoked,
    Pause,
    ReadHead,
    ReadHistory,
    ReadStatus,
    ReadStream,
    ReadTail,
    Release,
    ReleaseAfter,
    SendControl,
    SendEnd,
    SendHistory,
    SendWelcome,
    Sink,
    Start,
    Subscribe,
    Unsubscribe,
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.handover import Handover, attach
from chunk7.delivery.ordering import ConnectOrdering, Join
from chunk7.delivery.stepping import Steps
from chunk7.simulator.virtual.distributions import Durations
from chunk7.simulator.virtual.lives import Channel, Followed, Life, Released, WatcherGroup
from chunk7.simulator.virtual.paths import Path, Paths
from chunk7.simulator.virtual.population import SLOTS, Draws

_REFUSED: dict[type[Any], str] = {
    Start: "the answer is written before anybody joins",
    LookWhenPoked: "there are no notices",
    ReadStatus: "there are no statuses",
    SendEnd: "there are no end frames",
    SendControl: "there are no control frames",
    Unsubscribe: "nobody leaves",
}
Done = tuple[float, int | None]
"""When an effect is over, and what its answer is called: by how much is stored then, or nothing."""

Act = Callable[[Life, Path, float], Done]


class DrawnDurations:
    """What each connection's commands and pauses take: drawn a block at a time, one by one used."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._latencies: list[array[float]] = []
        self._works: list[array[float]] = []

    def command(self, life: Life, now: float) -> tuple[float, float]:
        """When a command that is sent now is executed, and when its reply is here."""
        number, place, drawn = life.latencies, life.place, self._latencies
        life.latencies = number + 2
        if number + 2 > len(drawn):
            drawn.append(_column(drawn, self._draws.latency))
            drawn.append(_column(drawn, self._draws.latency))
        executed = now + drawn[number][place]
        return executed, executed + drawn[number + 1][place]

    def work_ms(self, life: Life) -> float:
        """The client's next Pause."""
        number, drawn = life.pauses, self._works
        life.pauses = number + 1
        if number == len(drawn):
            drawn.append(_column(drawn, self._draws.work))
        return drawn[number][life.place]


def _column(drawn: "list[array[float]]", draw: Callable[[int], Durations]) -> "array[float]":
    """The next durations of all connections: from SLOTS on the first ones again.

    An array makes a float of those that are used: of later fetches these are few. A constant of
    whole milliseconds is drawn as integers.
    """
    number = len(drawn)
    if number >= SLOTS:
        return drawn[number % SLOTS]
    return array("d", draw(number).astype(float).tobytes())


class Effects:
    """Performs the effects of joins, of the group that it has turned to."""

    def __init__(self, connect: ConnectOrdering) -> None:
        self._connect = connect
        self._acts: dict[type[Any], Act] = {
            Pause: self._pause,
            Subscribe: self._subscribe,
            Confirmed: self._confirmed,
            ReadHistory: self._read,
            ReadHead: self._read_head,
            ReadStream: self._read,
            ReadTail: self._read_tail,
            SendHistory: self._send_history,
            SendWelcome: self._send_welcome,
            Release: self._release,
            Follow: self._follow,
            ReleaseAfter: self._release_after,
        }
        self.channels: dict[tuple[int, int] | int, Channel] = {}
        """Who has subscribed: a node, or one of its lives. Empty it to make clients strangers."""
        self.durations: DrawnDurations
        """What the joins' commands and pauses take: those of the block that they are of."""
        self.paths = Paths(self._prepare)

    def turn_to(self, group: WatcherGroup) -> None:
        """From now on joins are of this group."""
        self._group = group
        self.channels.clear()

    def begin(self, after_seq: int) -> Path:
        """Where a join starts. Answers that are stored alike have one path."""
        session = self._group.session
        name = (session.alike, after_seq)
        join = Join(session.session_id, after_seq)
        return self.paths.begin(name, lambda: Steps(self._connect.steps(join)))

    def learn(self, path: Path, name: int | None) -> Path:
        """Where it goes on from the effect there, whose answer is called so."""
        if name is None or isinstance(path.effect, ReadHead):
            return self.paths.learn(path, name, name)
        return self.paths.learn(path, name, self._group.session.answer(path.effect, name))

    def _prepare(self, path: Path) -> None:
        path.act = self._acts.get(type(path.effect), self._refuse)

    def _refuse(self, _life: Life, path: Path, _now: float) -> Done:
        effect = path.effect
        if type(effect) in _REFUSED:
            reason = _REFUSED[type(effect)]
            raise OrderingError(f"{type(effect).__name__}: in virtual time {reason}")
        raise OrderingError(f"a connect ordering cannot ask for {type(effect).__name__}")

    def _pause(self, life: Life, _: Path, now: float) -> Done:
        return now + self.durations.work_ms(life), None

    def _subscribe(self, life: Life, path: Path, now: float) -> Done:
        channel = executed, confirmed = self.durations.command(life, now)
        self._attach(life, now)
        if path.note is None:
            path.note = attach(life.handover, path.effect.to, life.after_seq)
        life.handover = path.note
        if self._group.schedule is None:
            life.channel = self.channels.setdefault(life.node, channel)
            return now, None
        key = self._channel_key(life, now)
        if key not in self.channels:
            waits = self._reconnected(life.node, now) - now
            self.channels[key] = (executed + waits, confirmed + waits)
        life.channel = self.channels[key]
        return now, None

    def _attach(self, life: Life, now: float) -> None:
        """Live chunks come from now on: by one feed, which is what a client has here."""
        if life.attached_ms is not None:
            raise OrderingError(f"{self._connect.name} takes live chunks from two places")
        life.attached_ms, life.attached_write = now, len(life.writes)

    def _channel_key(self, life: Life, now: float) -> tuple[int, int]:
        """The node, and which of its lives: a restarted node has no subscriptions."""
        assert self._group.schedule is not None
        starts = self._group.schedule.crashes[life.node].start_ms
        return life.node, bisect_right(starts, now + self._group.epoch_ms)

    def _reconnected(self, node: int, now: float) -> float:
        """`now`, or when the node has its Pub/Sub connection again."""
        assert self._group.schedule is not None
        back_ms = self._group.schedule.reconnects[node].end_of_spell(now + self._group.epoch_ms)
        return now if back_ms is None else back_ms - self._group.epoch_ms

    def _confirmed(self, life: Life, _: Path, now: float) -> Done:
        if life.channel is None:
            raise OrderingError(
                f"{self._connect.name} waits for the confirmation of a subscription it never sent"
            )
        confirmed = life.channel[1]
        return (confirmed if confirmed > now else now), None

    def _read(self, life: Life, _: Path, now: float) -> Done:
        executed, replied = self.durations.command(life, now)
        if life.read_ms is None:
            life.read_ms = executed
        return replied, self._group.session.stored(executed)

    def _read_tail(self, life: Life, _: Path, now: float) -> Done:
        executed, replied = self.durations.command(life, now)
        return replied, self._group.session.stored(executed)

    def _read_head(self, life: Life, _: Path, now: float) -> Done:
        executed, replied = self.durations.command(life, now)
        return replied, bisect_right(self._group.session.number_ms, executed)

    def _send_history(self, life: Life, path: Path, now: float) -> Done:
        if path.note is None:
            path.note = self._group.session.ranges(path.effect.chunks)
        if life.history_ms is None:
            life.history_ms = now
        life.writes.append((now, path.note))
        return now, None

    def _send_welcome(self, life: Life, path: Path, now: float) -> Done:
        life.welcome_ms = now
        life.head = path.effect.head_seq
        return now, None

    def _release(self, life: Life, path: Path, now: float) -> Done:
        if life.follow_from is not None:
            raise OrderingError(f"{self._connect.name} releases a buffer that it does not have")
        if path.note is None:
            path.note = Released.of(path.effect.known, life.after_seq)
        life.writes.append((now, path.note))
        return now, None

    def _follow(self, life: Life, path: Path, now: float) -> Done:
        session, effect = self._group.session, path.effect
        executed, _ = self.durations.command(life, now)
        self._attach(life, now)
        if effect.after == NEWEST:
            life.channel = (executed, executed)
            life.follow_from = bisect_right(session.save_ms, executed)
        else:
            if path.note is None:
                path.note = session.position(0, effect.after)
            life.follow_from = path.note
        if effect.to is Sink.BUFFER:
            life.handover = Handover(Sink.BUFFER)
        return now, None

    def _release_after(self, life: Life, path: Path, now: float) -> Done:
        if path.note is None:
            path.note = Followed(bisect_right(self._group.session.ids, entry_id(path.effect.after)))
        if life.follow_from is None or life.handover is None:
            raise OrderingError(f"{self._connect.name} releases a stream that it does not hold")
        life.writes.append((now, path.note))
        return now, None
