"""Which read belongs to which subscription, on made-up logs of which the truth is known."""

import math
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from monitor_kit import found, line

SESSIONS, PROCESSES, SECONDS = 5, 3, 4
WINDOW_MS, STAY_MS = 1.0, 2_000
Act = tuple[float, str, int]
"""(instant in ms, what, which join)."""


def acts(rng: random.Random, joins: int, first: str, second: str) -> list[Act]:
    """Joins at random moments, each with its two steps and, later, its end."""
    planned: list[Act] = []
    for join in range(joins):
        at_ms = rng.random() * SECONDS * 1_000
        done_ms = at_ms + rng.lognormvariate(math.log(WINDOW_MS), 0.7)
        planned += [(at_ms, first, join), (done_ms, second, join)]
        planned.append((done_ms + rng.random() * STAY_MS, "leave", join))
    return sorted(planned)


def history(
    rng: random.Random, joins: int, order: tuple[str, str], shared: bool
) -> Iterator[tuple[bytes, int]]:
    """(line, which join sent it). `shared`: one subscription a session and process."""
    places = [(rng.randrange(PROCESSES), f"s{rng.randrange(SESSIONS)}") for _ in range(joins)]
    listening: Counter[tuple[int, str]] = Counter()
    subscribed: set[int] = set()
    for at_ms, what, join in acts(rng, joins, *order):
        process, session = place = places[join]
        channel = f"chat:stream:{session}"
        subscriber = f"node{process * 10 + 2}" if shared else f"node{1_000 + join}"
        if what == "read":
            read = ("LRANGE", f"chat:history:{session}", "0", "-1")
            yield line(at_ms, f"node{process * 10 + 1}", *read), join
        elif what == "subscribe":
            subscribed.add(join)
            listening[place] += 1
            if not shared or listening[place] == 1:
                yield line(at_ms, subscriber, "SUBSCRIBE", channel), join
        elif join in subscribed:
            listening[place] -= 1
            if not shared or listening[place] == 0:
                yield line(at_ms, subscriber, "UNSUBSCRIBE", channel), join


def test_of_two_joins_that_wait_neither_is_certain_however_far_apart_their_reads_are() -> None:
    """A node that stood still for a while subscribed for the older one first. The nearest read was
    taken for the younger one's, and the one 100 ms away for no rival: two joins with wrong chunks.
    """
    read, channel = ("LRANGE", "chat:history:s", "0", "-1"), "chat:stream:s"
    log = [
        line(0.0, "node1", *read),
        line(100.0, "node1", *read),
        line(109.0, "node1001", "SUBSCRIBE", channel),
        line(129.0, "node1002", "SUBSCRIBE", channel),
        line(1_000.0, "node1", *read),
        line(1_001.0, "node1003", "SUBSCRIBE", channel),
    ]
    assert [join.ambiguous for join in found(log).joins] == [True, True, False]


def test_a_read_right_behind_a_subscription_does_not_make_it_its_own_where_no_order_is_known() -> (
    None
):
    """Two orderings share the store, so none is the store's. A second client of a node read just
    as the first one's subscription came, 19 ms after its read: it was called sound and certain.
    """
    read, subscribe = ("LRANGE", "0", "-1"), ("SUBSCRIBE",)
    steps = [(read, subscribe), (subscribe, read)]
    log = [
        command(1_000.0 * place + at_ms, f"s{place}", what)
        for place in range(10)
        for at_ms, what in zip((0.0, 1.0 if place < 8 else 20.0), steps[place % 2], strict=True)
    ]
    log += [
        command(20_000.0 + at_ms, "s", what) for at_ms, what in ((0.0, read), (11.0, subscribe))
    ]
    two_clients = ((143.0, read), (162.0, subscribe), (162.01, read))
    log += [command(20_000.0 + at_ms, "s", what, node=10) for at_ms, what in two_clients]
    joins = [join for join in found(log).joins if join.session == "s" and join.arrival]
    assert [join.ambiguous for join in joins] == [False, True]


def command(at_ms: float, session: str, what: tuple[str, ...], node: int = 0) -> bytes:
    """A read of the session's history, or a subscription to its channel, by one of two nodes."""
    name, *rest = what
    key = f"chat:history:{session}" if rest else f"chat:stream:{session}"
    return line(at_ms, f"node{node + 1 if rest else node + 2}", name, key, *rest)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize(
    "order", [("read", "subscribe"), ("subscribe", "read")], ids=["read-first", "subscribe-first"]
)
@pytest.mark.parametrize("joins", [50, 200, 1_000])
def test_hardly_a_pair_that_is_called_certain_is_wrong(
    joins: int, order: tuple[str, str], shared: bool
) -> None:
    """Two in a thousand at most; and what is not certain is a minority."""
    count: Counter[str] = Counter()
    for seed in range(4):
        told = list(history(random.Random(seed), joins, order, shared))
        for join in found([text for text, _ in told]).joins:
            if join.arrival is None:
                continue
            right = told[join.read.line - 1][1] == told[join.arrival.line - 1][1]
            count["ambiguous" if join.ambiguous else "right" if right else "wrong"] += 1
    assert count["wrong"] <= count["right"] * 0.002, count
    assert count["ambiguous"] <= count.total() / 3, count
