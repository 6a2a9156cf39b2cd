"""Which effects a cell leads one to expect: what no schedule has was not tried, and is said.

An effect that an ordering names in its code and never asks for, a fault that never finds a moment
to strike: SPIN calls that unreached, TLC an action of coverage 0.
"""

import inspect
from collections.abc import Callable
from types import CodeType
from typing import Any, get_args

from chunk7.delivery.effects import ConnectEffect, Pause, WriteEffect
from chunk7.delivery.life import Retry
from chunk7.faults import STRIKES
from chunk7.faults.fault import StrikesOthers
from chunk7.simulator.explore.naming import snake_case
from chunk7.simulator.explore.schedule import SAME_MS
from chunk7.simulator.explore.state import ExploreCell

_EFFECTS = {
    kind.__name__: snake_case(kind.__name__)
    for kind in get_args(ConnectEffect | WriteEffect)
    if kind is not Pause
}
_FOLLOWS = {
    "subscribe": ("subscription", "deliver"),
    "unsubscribe": ("unsubscription",),
    "follow": ("tail",),
    "poke": ("notice",),
    "look_when_poked": ("look",),
}
"""What happens by itself after an effect."""
_PUBLISHING = frozenset(("publish", "save_and_publish", "number_save_and_publish"))
_ASKING = ("heartbeat", "fetch", "fetched")


def expected_effects(cell: ExploreCell) -> frozenset[str]:
    """The effects that the orderings name, what follows from them, and what the faults do."""
    named = named_effects(cell.connect.steps) | named_effects(cell.write.steps)
    if cell.write.ending is not None:  # of chunks or of the end: which, its code does not tell
        named |= named_effects(cell.write.ending) & {"set_status"}
    expected = {*named, *(event for effect in named for event in _FOLLOWS.get(effect, ()))}
    if "poke" in named and not named & _PUBLISHING:
        expected.discard("deliver")
    if cell.client_model().asks:
        expected.update(_ASKING)
    if "subscribe" in named and subscriptions_end(cell):
        expected.update(("confirmation", "unsubscription"))
    strikes = (effect for name in cell.faults for effect in STRIKES[name].effects)
    expected.update(e for e in strikes if "append" in named or not e.endswith(SAME_MS))
    if cell.life.retry is Retry.SAME:  # what was not executed is merely executed later
        expected.discard("timeout_not_executed")
    return frozenset(expected)


def subscriptions_end(cell: ExploreCell) -> bool:
    """Whether a node may come to unsubscribe.

    Only then does it matter that a SUBSCRIBE is executed first and confirmed later: nothing but
    another command on its way can come between the two that a client would notice.
    """
    leaves = any(isinstance(STRIKES[name], StrikesOthers) for name in cell.faults)
    return leaves or "unsubscribe" in named_effects(cell.connect.steps)


def named_effects(steps: Callable[..., Any]) -> frozenset[str]:
    """The effects that an ordering's code names, and that of the functions it calls by name."""
    functions: list[Any] = [steps]
    codes: list[CodeType] = []
    names: set[str] = set()
    for function in functions:
        codes = [function.__code__] if inspect.isfunction(function) else []
        for code in codes:
            names.update(code.co_names)
            codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
            called = (function.__globals__.get(name) for name in code.co_names)
            functions += [f for f in called if inspect.isfunction(f) and f not in functions]
    return frozenset(effect for name, effect in _EFFECTS.items() if name in names)
