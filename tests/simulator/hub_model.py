"""A second opinion on subscriptions that end: a small model that knows nothing of ours.

One node, two clients, one of whom may leave; a connection on which commands and confirmations keep
their order. It walks every schedule, and counts those in which somebody who stays loses a chunk.

    N number  P publish  S save  B both at once  L number and both at once
    U subscribe  C confirmed  R read history  H send it  X release the buffer  W welcome

A hub here keeps no count of confirmations: each that is due is marked as its clients' own or not.
"""

from functools import cache
from typing import NamedTuple

WRITES = {
    "publish_then_save": "NPS",
    "save_then_publish": "NSP",
    "atomic_multi": "NB",
    "atomic_lua": "L",
}
CONNECTS = {
    "history_then_subscribe": "RHUCW",
    "subscribe_then_history": "UCRHW",
    "buffered_merge": "UCRHXW",
}
CONFIRMED = 0
"""On the wire among chunks, which count from 1."""


class Client(NamedTuple):
    done: int = 0
    gone: bool = False
    attached: bool = False
    read: frozenset[int] = frozenset()
    has: frozenset[int] = frozenset()
    held: frozenset[int] | None = None


class Moment(NamedTuple):
    chunk: int = 1
    written: int = 0
    history: frozenset[int] = frozenset()
    commands: tuple[str, ...] = ()
    subscribed: bool = False
    wire: tuple[int, ...] = ()
    due: tuple[bool, ...] = ()
    heard: bool = False
    clients: tuple[Client, ...] = (Client(), Client())


class HubModel:
    """`careful`: a confirmation counts for those only whose SUBSCRIBE it answers.

    `pops`: who leaves takes the next published chunk along.
    """

    def __init__(self, connect: str, write: str, chunks: int, careful: bool, pops: bool) -> None:
        self.connect, self.write, self.chunks = CONNECTS[connect], WRITES[write], chunks
        self.careful, self.pops = careful, pops

    def counts(self) -> tuple[int, int]:
        """Schedules, and how many lose."""

        @cache
        def count(now: Moment) -> tuple[int, int]:
            must = [*self._written(now), *self._store(now), *self._node(now), *self._joined(now)]
            ends = [] if must else [self._end(now)]
            rest = [count(then) for then in (*must, *self._left(now))]
            return sum(a for a, _ in (*ends, *rest)), sum(b for _, b in (*ends, *rest))

        return count(Moment())

    def _end(self, now: Moment) -> tuple[int, int]:
        every = set(range(1, self.chunks + 1))
        return 1, any(every - client.has for client in now.clients if not client.gone)

    def _written(self, now: Moment):
        if now.chunk > self.chunks:
            return
        letter, chunk = self.write[now.written], now.chunk
        over = now.written + 1 == len(self.write)
        then = now._replace(chunk=chunk + over, written=0 if over else now.written + 1)
        if letter in "SBL":
            then = then._replace(history=then.history | {chunk})
        if letter in "PBL" and now.subscribed:
            then = then._replace(wire=(*then.wire, chunk))
        yield then

    def _store(self, now: Moment):
        if now.commands:
            command, *rest = now.commands
            then = now._replace(commands=tuple(rest), subscribed=command == "subscribe")
            if command == "subscribe":
                then = then._replace(wire=(*then.wire, CONFIRMED))
            yield then

    def _node(self, now: Moment):
        if not now.wire:
            return
        first, *rest = now.wire
        then = now._replace(wire=tuple(rest))
        if first == CONFIRMED:
            own, *due = now.due
            anybody = any(client.attached for client in now.clients)
            heard = now.heard or (own if self.careful else anybody)
            yield then._replace(due=tuple(due), heard=heard)
        elif now.heard:
            yield then._replace(clients=tuple(_given(client, first) for client in now.clients))
        else:
            yield then

    def _joined(self, now: Moment):
        for place, client in enumerate(now.clients):
            if client.gone or client.done == len(self.connect):
                continue
            letter = self.connect[client.done]
            if letter == "C" and not now.heard:
                continue
            then = now
            if letter == "U" and not any(other.attached for other in now.clients):
                due = (*now.due, True)
                then = now._replace(commands=(*now.commands, "subscribe"), due=due)
            after = self._step(now, client, letter)._replace(done=client.done + 1)
            yield _placed(then, place, after)

    def _step(self, now: Moment, client: Client, letter: str) -> Client:
        match letter:
            case "U":
                return client._replace(
                    attached=True, held=frozenset() if "X" in self.connect else None
                )
            case "R":
                return client._replace(read=now.history)
            case "H":
                return client._replace(has=client.has | client.read)
            case "X":
                return client._replace(has=client.has | (client.held or frozenset()), held=None)
        return client

    def _left(self, now: Moment):
        """One may leave, once it has begun."""
        if any(client.gone for client in now.clients):
            return
        for place, client in enumerate(now.clients):
            if not (client.attached if self.pops else client.done):
                continue
            then = _placed(now, place, Client(gone=True))
            if self.pops:
                then = then._replace(wire=_without_next(now.wire))
            if client.attached and not any(other.attached for other in then.clients):
                due = tuple(False for _ in now.due)
                commands = (*now.commands, "unsubscribe")
                then = then._replace(commands=commands, due=due, heard=False)
            yield then


def _given(client: Client, chunk: int) -> Client:
    if not client.attached:
        return client
    if client.held is not None:
        return client._replace(held=client.held | {chunk})
    return client._replace(has=client.has | {chunk})


def _placed(now: Moment, place: int, client: Client) -> Moment:
    return now._replace(clients=(*now.clients[:place], client, *now.clients[place + 1 :]))


def _without_next(wire: tuple[int, ...]) -> tuple[int, ...]:
    place = next((place for place, item in enumerate(wire) if item != CONFIRMED), len(wire))
    return (*wire[:place], *wire[place + 1 :])
