"""Small results of steering, made by hand."""

from dataclasses import replace
from typing import Any

from chunk7.instruments.steer.outcome import (
    Natural,
    SteerLearning,
    SteerResult,
    SteerRow,
    Try,
)
from chunk7.instruments.steer.plan import Keeps, SteerEvent, plan
from chunk7.instruments.steer.rules import Role, Rules, parse_rule

READ, SUBSCRIBE, FOLLOW = SteerEvent.READ, SteerEvent.SUBSCRIBE, SteerEvent.FOLLOW
PUBLISH, SAVE = SteerEvent.PUBLISH, SteerEvent.SAVE
WRITE, APPEND = SteerEvent.WRITE, SteerEvent.APPEND

KEPT = Try(forced=True, seconds=0.2)
LOST = replace(KEPT, lost=(1,))
DOUBLED = replace(KEPT, duplicates=1)
HUNG = Try(forced=False, undetermined="no read within 5 s", seconds=5.0)
REFUSED = Try(forced=False, infeasible="subscribe comes only after read", seconds=0.4)

RULES = Rules(
    (
        parse_rule("--read", Role.READ, "LRANGE chat:{session_id}:history"),
        parse_rule("--subscribe", Role.SUBSCRIBE, "SUBSCRIBE chat:{session_id}"),
        parse_rule("--publish", Role.PUBLISH, "PUBLISH chat:{session_id}"),
        parse_rule("--save", Role.SAVE, "RPUSH chat:{session_id}:history"),
    )
)
BUG = SteerLearning(
    RULES,
    {READ: "3", SUBSCRIBE: "4, its own", PUBLISH: "1", SAVE: "1"},
    (READ, SUBSCRIBE),
    frozenset([(READ, SUBSCRIBE)]),
    (PUBLISH, SAVE),
    frozenset([(PUBLISH, SAVE)]),
)
FIX = replace(
    BUG,
    join_keeps=frozenset([(SUBSCRIBE, READ)]),
    write=(SAVE, PUBLISH),
    write_keeps=frozenset([(SAVE, PUBLISH)]),
)


def learned(
    join: tuple[SteerEvent, ...], join_keeps: Keeps, write: tuple[SteerEvent, ...], keeps: Keeps
) -> SteerLearning:
    """What is seen of such an app."""
    return SteerLearning(RULES, {}, join, join_keeps, write, keeps)


def steered(app: SteerLearning, outcomes: dict[str, tuple[Try, ...]], **more: Any) -> SteerResult:
    """The app's plan, each schedule with its tries: three that keep all, where none are given."""
    planned = plan(app.join, app.join_keeps, app.write, app.write_keeps)
    rows = tuple(
        SteerRow(one, () if one.infeasible else outcomes.get(one.schedule.key, (KEPT,) * 3))
        for one in planned
    )
    assert outcomes.keys() <= {row.schedule.key for row in rows}
    return SteerResult("relay", app, rows, **more)


LOSING = "read, publish 1, save 1, subscribe"
NAIVE = steered(BUG, {LOSING: (LOST,) * 3}, natural=Natural.of(1, 50))
MENDED = steered(FIX, {}, natural=Natural.of(0, 50))
