"""Plans: one order of each kind, and none left out that makes a difference."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunk7.delivery.errors import UsageError
from chunk7.instruments.steer.plan import (
    LEAVER,
    PRODUCER,
    Keeps,
    Orders,
    PlannedSchedule,
    SteerEvent,
    SteerSchedule,
    SteerStep,
    plan,
)

READ, SUBSCRIBE, FOLLOW = SteerEvent.READ, SteerEvent.SUBSCRIBE, SteerEvent.FOLLOW
PUBLISH, SAVE = SteerEvent.PUBLISH, SteerEvent.SAVE
WRITE, APPEND, LEAVE = SteerEvent.WRITE, SteerEvent.APPEND, SteerEvent.LEAVE
JOINS: list[tuple[SteerEvent, ...]] = [(READ, SUBSCRIBE), (READ, FOLLOW), (SUBSCRIBE,), (READ,)]
CHUNKS: list[tuple[SteerEvent, ...]] = [(PUBLISH, SAVE), (WRITE,), (APPEND,), (SAVE,)]


def told(planned: Sequence[PlannedSchedule]) -> list[tuple[str, int, str | None]]:
    """A plan as it is read."""
    return [(one.schedule.key, one.equivalents, one.infeasible) for one in planned]


# --- a tiny world of its own: what each client is sent, and in which order ---


def receipts(steps: Sequence[SteerStep]) -> dict[str, list[object]]:
    """By join: a history as a list, a live chunk as its number."""
    saved: list[int] = []
    live = {step.actor: not any_listens(steps, step.actor) for step in steps}
    got: dict[str, list[object]] = {step.actor: [] for step in steps if "join" in step.actor}
    for actor, event, chunk in steps:
        if event in ("save", "write", "append") and chunk:
            saved.append(chunk)
        if event in ("publish", "write", "append") and chunk:
            for join, receipt in got.items():
                if live[join]:
                    receipt.append(chunk)
        if event == "read":
            got[actor].append(tuple(saved))
        live[actor] = live[actor] or event in ("subscribe", "follow")
        if event == "leave":  # an app that ends the subscription that its others share
            live = dict.fromkeys(live, False)
    return got


def any_listens(steps: Sequence[SteerStep], join: str) -> bool:
    """Whether the join subscribes; if not, somebody has done so for it, before."""
    return any(s.actor == join and s.event in ("subscribe", "follow") for s in steps)


def all_orders(steps: Sequence[SteerStep], keeps: Keeps) -> Iterator[tuple[SteerStep, ...]]:
    """Those that the app allows, its chunks one after the other."""
    for order in permutations(steps):
        at = {step: place for place, step in enumerate(order)}
        pairs = [(a, b) for a in steps for b in steps if a.actor == b.actor and at[a] > at[b]]
        if not any(
            (a.chunk or 0) < (b.chunk or 0) or (a.chunk == b.chunk and (a.event, b.event) in keeps)
            for a, b in pairs
        ):
            yield order


def mirrored(steps: Sequence[SteerStep]) -> tuple[SteerStep, ...]:
    """The joins have changed places."""
    swap = {"join1": "join2", "join2": "join1"}
    return tuple(step._replace(actor=swap.get(step.actor, step.actor)) for step in steps)


@st.composite
def systems(draw: st.DrawFn) -> dict[str, object]:
    """Whatever an app may be that has no more than six events."""
    join, write = draw(st.sampled_from(JOINS)), draw(st.sampled_from(CHUNKS))
    joiners, leaver = draw(st.integers(1, 2)), draw(st.booleans())
    joiners = min(joiners, 3 - len(write)) if leaver else joiners
    room = (6 - joiners * len(join) - leaver) // len(write)
    chunks = draw(st.integers(1, min(3, room)))

    def keeps(events: tuple[SteerEvent, ...]) -> set[tuple[SteerEvent, SteerEvent]]:
        one = [(events[0], events[-1])] if len(events) > 1 else []
        return set(draw(st.sampled_from([[], one, [pair[::-1] for pair in one]])))

    return {
        "join": join, "join_keeps": keeps(join), "write": write, "write_keeps": keeps(write),
        "chunks": chunks, "joiners": joiners, "leaver": leaver,
    }  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(systems())
def test_every_order_that_the_app_allows_is_of_one_class_and_like_the_one_it_stands_for(
    system: dict[str, object],
) -> None:
    planned = plan(**system)  # type: ignore[arg-type]
    feasible = [one for one in planned if one.infeasible is None]
    keeps: Keeps = {*system["join_keeps"], *system["write_keeps"]}  # type: ignore[misc]
    steps = feasible[0].schedule.steps
    orders = Orders(steps, keeps)
    classes = {orders.first([*map(steps.index, o.schedule.steps)]): o for o in feasible}
    members: Counter[str] = Counter()
    for order in all_orders(steps, keeps):
        images = {order, mirrored(order)} if system["joiners"] == 2 else {order}
        firsts = {orders.first([*map(steps.index, image)]) for image in images}
        (one,) = (classes[first] for first in firsts & classes.keys())
        members[one.schedule.key] += 1
        known = one.schedule.steps
        assert receipts(order) in (receipts(known), receipts(mirrored(known)))
    assert members == {one.schedule.key: one.equivalents + 1 for one in feasible}


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("write", CHUNKS)
def test_for_one_chunk_and_one_join_the_infeasible_are_all_the_rest(
    join: tuple[SteerEvent, ...], write: tuple[SteerEvent, ...]
) -> None:
    keeps = {join, write}
    planned = plan(join, keeps, write, keeps)  # type: ignore[arg-type]
    steps = planned[0].schedule.steps
    assert sum(one.equivalents + 1 for one in planned) == len([*permutations(steps)])
    assert all(set(one.schedule.steps) == set(steps) for one in planned)


# --- what the plans are ---


def test_who_reads_first_against_a_producer_that_publishes_first() -> None:
    """The bug report's pair: one class of four orders loses, two of one order each do not."""
    subscribe, save = "subscribe comes only after read", "save comes only after publish"
    assert told(
        plan((READ, SUBSCRIBE), {(READ, SUBSCRIBE)}, (PUBLISH, SAVE), {(PUBLISH, SAVE)})
    ) == [
        ("read, publish 1, save 1, subscribe", 3, None),
        ("read, subscribe, publish 1, save 1", 0, None),
        ("publish 1, save 1, read, subscribe", 0, None),
        ("read, save 1, publish 1, subscribe", 0, save),
        ("read, save 1, subscribe, publish 1", 1, save),
        ("publish 1, save 1, subscribe, read", 1, subscribe),
        ("publish 1, subscribe, read, save 1", 0, subscribe),
        ("save 1, read, publish 1, subscribe", 1, save),
        ("save 1, read, subscribe, publish 1", 0, save),
        ("save 1, publish 1, subscribe, read", 0, f"{save}; {subscribe}"),
        ("save 1, subscribe, read, publish 1", 1, f"{save}; {subscribe}"),
        ("save 1, subscribe, publish 1, read", 1, f"{save}; {subscribe}"),
        ("subscribe, read, publish 1, save 1", 0, subscribe),
        ("subscribe, read, save 1, publish 1", 0, f"{save}; {subscribe}"),
        ("subscribe, publish 1, read, save 1", 0, subscribe),
        ("subscribe, publish 1, save 1, read", 0, subscribe),
    ]


def test_who_subscribes_first_against_a_producer_that_saves_first() -> None:
    read, publish = "read comes only after subscribe", "publish comes only after save"
    keeps = {(SUBSCRIBE, READ), (SAVE, PUBLISH)}
    assert told(plan((SUBSCRIBE, READ), keeps, (SAVE, PUBLISH), keeps)) == [
        ("save 1, publish 1, subscribe, read", 0, None),
        ("save 1, subscribe, read, publish 1", 1, None),
        ("save 1, subscribe, publish 1, read", 1, None),
        ("subscribe, read, save 1, publish 1", 0, None),
        ("read, save 1, publish 1, subscribe", 0, read),
        ("read, save 1, subscribe, publish 1", 1, read),
        ("read, publish 1, save 1, subscribe", 3, f"{publish}; {read}"),
        ("read, subscribe, publish 1, save 1", 0, f"{publish}; {read}"),
        ("save 1, read, publish 1, subscribe", 1, read),
        ("save 1, read, subscribe, publish 1", 0, read),
        ("publish 1, save 1, read, subscribe", 0, f"{publish}; {read}"),
        ("publish 1, save 1, subscribe, read", 1, publish),
        ("publish 1, subscribe, read, save 1", 0, publish),
        ("subscribe, read, publish 1, save 1", 0, publish),
        ("subscribe, publish 1, read, save 1", 0, publish),
        ("subscribe, publish 1, save 1, read", 0, publish),
    ]


def test_who_orders_nothing_against_a_transaction() -> None:
    assert told(plan((READ, SUBSCRIBE), set(), (WRITE,), set())) == [
        ("read, write 1, subscribe", 0, None),
        ("read, subscribe, write 1", 1, None),
        ("write 1, read, subscribe", 1, None),
        ("subscribe, write 1, read", 0, None),
    ]


def test_who_follows_a_stream_from_its_read_on() -> None:
    follow = "follow comes only after read"
    assert told(plan((READ, FOLLOW), {(READ, FOLLOW)}, (APPEND,), set())) == [
        ("read, append 1, follow", 0, None),
        ("read, follow, append 1", 0, None),
        ("append 1, read, follow", 0, None),
        ("append 1, follow, read", 0, follow),
        ("follow, read, append 1", 0, follow),
        ("follow, append 1, read", 0, follow),
    ]


def test_somebody_leaves_before_or_after_each_that_it_could_spoil() -> None:
    keeps = {(SUBSCRIBE, READ)}
    planned = plan((SUBSCRIBE, READ), keeps, (WRITE,), set(), leaver=True)
    assert [one.schedule.key for one in planned if one.infeasible is None] == [
        "write 1, subscribe, read, leave",
        "write 1, leave, subscribe, read",
        "subscribe, read, write 1, leave",
        "subscribe, read, leave, write 1",
        "subscribe, write 1, read, leave",
        "subscribe, leave, write 1, read",
        "leave, write 1, subscribe, read",
        "leave, subscribe, read, write 1",
        "leave, subscribe, write 1, read",
    ]


def test_two_joins_stand_for_their_mirror_image() -> None:
    planned = plan((READ, SUBSCRIBE), {(READ, SUBSCRIBE)}, (WRITE,), set(), joiners=2)
    feasible = [one for one in planned if one.infeasible is None]
    assert told(feasible) == [
        ("join1 read, join2 read, write 1, join1 subscribe, join2 subscribe", 3, None),
        ("join1 read, join2 read, join1 subscribe, write 1, join2 subscribe", 5, None),
        ("join1 read, join2 read, join1 subscribe, join2 subscribe, write 1", 5, None),
        ("join1 read, write 1, join2 read, join1 subscribe, join2 subscribe", 5, None),
        ("join1 read, join1 subscribe, write 1, join2 read, join2 subscribe", 1, None),
        ("write 1, join1 read, join2 read, join1 subscribe, join2 subscribe", 5, None),
    ]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"chunks": 4}, "--chunks 4: must be between 1 and 3"),
        ({"chunks": 0}, "--chunks 0: must be between 1 and 3"),
        ({"joiners": 3}, "--joiners 3: must be between 1 and 2"),
        ({"chunks": 3, "joiners": 2, "leaver": True}, "more than 400 schedules"),
    ],
)
def test_a_plan_is_bounded(more: dict[str, int], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        plan((READ, SUBSCRIBE), set(), (PUBLISH, SAVE), set(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("join", "write"),
    [((READ, READ), (WRITE,)), ((READ, SAVE), (WRITE,)), ((READ,), ()), ((LEAVE,), (WRITE,))],
)
def test_what_is_no_join_and_no_chunk_is_refused(
    join: tuple[SteerEvent, ...], write: tuple[SteerEvent, ...]
) -> None:
    with pytest.raises(ValueError, match="want each once"):
        plan(join, set(), write, set())


def test_a_schedule_reads_as_a_line() -> None:
    steps = (
        SteerStep("join1", READ),
        SteerStep(PRODUCER, WRITE, 2),
        SteerStep(LEAVER, LEAVE),
        SteerStep("network", "store_reconnect"),
    )
    assert SteerSchedule(steps).key == "read, write 2, leave, store_reconnect"
    second = (*steps, SteerStep("join2", READ))
    assert SteerSchedule(second).key.startswith("join1 read, write 2")


def test_the_second_join_of_a_shared_subscription_has_only_a_read() -> None:
    """Its read is told apart from a publication only once the first join has subscribed."""
    planned = plan(
        (READ, SUBSCRIBE), {(READ, SUBSCRIBE)}, (PUBLISH,), set(), joiners=2, second=(READ,)
    )
    keys = [one.schedule.key for one in planned if one.infeasible is None]
    assert keys == [
        "join1 read, join2 read, publish 1, join1 subscribe",
        "join1 read, join2 read, join1 subscribe, publish 1",
        "join1 read, join1 subscribe, publish 1, join2 read",
    ]
