"""What an effect of a connect ordering takes, and is answered, in virtual time."""

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
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.handover import Handover, attach
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.simulator.virtual.lives import Channel, Life, VirtualClient, WatcherGroup
from chunk7.simulator.virtual.population import SLOTS, Draws

_REFUSED: dict[type[Any], str] = {
    Start: "the answer is written before anybody joins",
    LookWhenPoked: "there are no notices",
    ReadStatus: "there are no statuses",
    SendEnd: "there are no end frames",
    SendControl: "there are no control frames",
}
Answer = tuple[float, Any]
"""When an effect is over, and what the ordering is told."""


class DrawnDurations:
    """What each connection's commands and pauses take: drawn a block at a time, one by one used."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._latencies: list[list[float]] = []
        self._works: list[list[float]] = []

    def latency_ms(self, client: VirtualClient) -> float:
        """One way of the client's next command."""
        number = client.latencies % SLOTS
        client.latencies += 1
        while len(self._latencies) <= number:
            self._latencies.append(self._draws.latency(len(self._latencies)).tolist())
        return self._latencies[number][client.place]

    def work_ms(self, client: VirtualClient) -> float:
        """The client's next Pause."""
        number = client.pauses % SLOTS
        client.pauses += 1
        while len(self._works) <= number:
            self._works.append(self._draws.work(len(self._works)).tolist())
        return self._works[number][client.place]


class Effects:
    """Performs the effects of one group's joins."""

    def __init__(
        self, connect: ConnectOrdering, durations: DrawnDurations, group: WatcherGroup
    ) -> None:
        self._connect = connect
        self._durations = durations
        self._group = group
        self._channels: dict[tuple[int, int], Channel] = {}
        self._actions: dict[type[Any], Callable[[Life, Any, float], Answer]] = {
            Pause: self._pause,
            Subscribe: self._subscribe,
            Confirmed: self._confirmed,
            ReadHistory: self._read_history,
            ReadHead: self._read_head,
            ReadStream: self._read_stream,
            ReadTail: self._read_tail,
            SendHistory: self._send_history,
            SendWelcome: self._send_welcome,
            Release: self._release,
            Follow: self._follow,
            ReleaseAfter: self._release_after,
        }

    def perform(self, life: Life, effect: Any, now: float) -> Answer:
        """Do it now. Raises OrderingError for what a node does not do."""
        if type(effect) in _REFUSED:
            raise OrderingError(
                f"{type(effect).__name__}: in virtual time {_REFUSED[type(effect)]}"
            )
        action = self._actions.get(type(effect))
        if action is None:
            raise OrderingError(f"a connect ordering cannot ask for {type(effect).__name__}")
        return action(life, effect, now)

    def _pause(self, life: Life, _: Pause, now: float) -> Answer:
        return now + self._durations.work_ms(life.client), None

    def _subscribe(self, life: Life, effect: Subscribe, now: float) -> Answer:
        sent = self._durations.latency_ms(life.client)
        answered = self._durations.latency_ms(life.client)
        self._attach(life, now)
        life.handover = attach(life.handover, effect.to, life.after_seq)
        key = self._channel_key(life, now)
        channel = self._channels.get(key)
        if channel is None:
            executed = self._reconnected(life.node, now) + sent
            channel = self._channels[key] = (executed, executed + answered)
        life.channel = channel
        return now, None

    def _attach(self, life: Life, now: float) -> None:
        """Live chunks come from now on: by one feed, which is what a client has here."""
        if life.attached_ms is not None:
            raise OrderingError(f"{self._connect.name} takes live chunks from two places")
        life.attached_ms, life.attached_write = now, len(life.writes)

    def _channel_key(self, life: Life, now: float) -> tuple[int, int]:
        """The node, and which of its lives: a restarted node has no subscriptions."""
        if self._group.schedule is None:
            return life.node, 0
        starts = self._group.schedule.crashes[life.node].start_ms
        return life.node, bisect_right(starts, now + self._group.epoch_ms)

    def _reconnected(self, node: int, now: float) -> float:
        """`now`, or when the node has its Pub/Sub connection again."""
        if self._group.schedule is None:
            return now
        back_ms = self._group.schedule.reconnects[node].end_of_spell(now + self._group.epoch_ms)
        return now if back_ms is None else back_ms - self._group.epoch_ms

    def _confirmed(self, life: Life, _: Confirmed, now: float) -> Answer:
        if life.channel is None:
            raise OrderingError(
                f"{self._connect.name} waits for the confirmation of a subscription it never sent"
            )
        return max(now, life.channel[1]), None

    def command(self, life: Life, now: float) -> tuple[float, float]:
        """When a command that is sent now is executed, and when its reply is here."""
        executed = now + self._durations.latency_ms(life.client)
        return executed, executed + self._durations.latency_ms(life.client)

    def _read_history(self, life: Life, effect: ReadHistory, now: float) -> Answer:
        executed, replied = self.command(life, now)
        if life.read_ms is None:
            life.read_ms = executed
        return replied, self._group.session.history(executed, effect.after_seq, effect.to_seq)

    def _read_stream(self, life: Life, effect: ReadStream, now: float) -> Answer:
        executed, replied = self.command(life, now)
        if life.read_ms is None:
            life.read_ms = executed
        return replied, self._group.session.stream(executed, effect.after)

    def _read_tail(self, life: Life, _: ReadTail, now: float) -> Answer:
        executed, replied = self.command(life, now)
        return replied, self._group.session.tail(executed)

    def _read_head(self, life: Life, _: ReadHead, now: float) -> Answer:
        executed, replied = self.command(life, now)
        return replied, bisect_right(self._group.session.number_ms, executed)

    def _send_history(self, life: Life, effect: SendHistory, now: float) -> Answer:
        life.writes.append((now, effect.chunks))
        return now, None

    def _send_welcome(self, life: Life, effect: SendWelcome, now: float) -> Answer:
        life.welcome_ms = now
        life.head = effect.head_seq
        return now, None

    def _release(self, life: Life, effect: Release, now: float) -> Answer:
        if life.follow_from is not None:
            raise OrderingError(f"{self._connect.name} releases a buffer that it does not have")
        life.writes.append((now, effect))
        return now, None

    def _follow(self, life: Life, effect: Follow, now: float) -> Answer:
        executed, _ = self.command(life, now)
        self._attach(life, now)
        life.follow_from = self._group.session.position(executed, effect.after)
        life.handover = Handover(Sink.BUFFER) if effect.to is Sink.BUFFER else None
        if effect.after == NEWEST:
            life.channel = (executed, executed)
        return now, None

    def _release_after(self, life: Life, effect: ReleaseAfter, now: float) -> Answer:
        entry_id(effect.after)
        if life.follow_from is None or life.handover is None:
            raise OrderingError(f"{self._connect.name} releases a stream that it does not hold")
        life.writes.append((now, effect))
        return now, None
