"""When which fault strikes: what people type, and the seeded schedule that a plan makes of it.

    NAME@AT[:KEY=VALUE,...]        node_kill@2s    store_latency@1s:for=500ms,ms=80
    NAME@EARLIEST..LATEST[:...]    node_kill@1s..3s, a moment drawn evenly from the plan's seed

An instant counts from the start of a cell, and a fault strikes in every cell, at the same moment
and the same node: cells differ in their orderings only.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chunk7.delivery.errors import UsageError
from chunk7.faults import LIVE
from chunk7.faults.live import Need, Setting, StrikesLive, Value, WordChoice
from chunk7.wire.plan import Plan

MOST_FAULTS = 50
_FORM = re.compile(r"(\w+)@([^:@]+)(?::(.*))?", re.DOTALL)
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_LONGEST_MS = 86_400_000
_WANTED = "want NAME@AT[:KEY=VALUE,...], such as node_kill@2s or store_latency@1s:for=500ms,ms=80"


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One `--fault`, read. Instants are ms after a cell's start; `for_ms` is 0 of what is over
    at once."""

    fault: StrikesLive
    earliest_ms: float
    latest_ms: float
    for_ms: float
    values: Mapping[str, Value]
    text: str


class PlannedStrike(NamedTuple):
    """One fault in one cell. `draw`, of [0, 1), chooses whom it hits."""

    fault: StrikesLive
    cell: int
    at_ms: float
    """After the timetable's epoch."""
    for_ms: float
    draw: float
    values: Mapping[str, Value]

    @property
    def name(self) -> str:
        """The fault's."""
        return self.fault.name


def parse_fault(text: str) -> PlannedFault:
    """Read one `--fault`. Raises UsageError naming what is wrong and what may be."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--fault {_shown(text)}: {_WANTED}")
    name, at, rest = found.groups()
    fault = LIVE.get(name)
    if fault is None:
        raise UsageError(f"--fault {_shown(name)}: one of {', '.join(LIVE)}")
    earliest, dots, latest = at.partition("..")
    earliest_ms = _ms(name, "the moment", earliest)
    latest_ms = _ms(name, "the moment", latest) if dots else earliest_ms
    if latest_ms < earliest_ms:
        raise UsageError(f"--fault {name}@{at}: the second moment must not be before the first")
    given = _pairs(name, rest or "")
    for_ms = _for_ms(fault, given.pop("for", None))
    values = _values(fault, given)
    return PlannedFault(fault, earliest_ms, latest_ms, for_ms, values, text.strip())


def parse_faults(texts: tuple[str, ...], duration_ms: float) -> tuple[PlannedFault, ...]:
    """Read all of a plan; raises UsageError, also for one that comes after a cell's end."""
    if len(texts) > MOST_FAULTS:
        raise UsageError(f"--fault: {len(texts)} of them, at most {MOST_FAULTS}")
    planned = tuple(map(parse_fault, texts))
    for one in planned:
        if one.latest_ms + one.for_ms > duration_ms:
            raise UsageError(
                f"--fault {one.text}: it would last until {one.latest_ms + one.for_ms:g} ms of a "
                f"cell, which --duration makes {duration_ms:g} ms long"
            )
    return planned


def strikes(plan: Plan) -> list[PlannedStrike]:
    """Every strike of a plan, in the order of time: a pure function of it."""
    found = []
    for number, planned in enumerate(parse_faults(plan.faults, plan.duration_ms)):
        draws = random.Random(f"{plan.seed} fault {number}")
        after_ms = draws.uniform(planned.earliest_ms, planned.latest_ms)
        whom = draws.random()
        for cell in range(len(plan.cells)):
            at_ms = plan.cell_start_ms(cell) + after_ms
            found.append(
                PlannedStrike(planned.fault, cell, at_ms, planned.for_ms, whom, planned.values)
            )
    return sorted(found, key=lambda strike: strike.at_ms)


def _pairs(name: str, rest: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if not equals or key in pairs:
            raise UsageError(f"--fault {name}: {_shown(item)} is not KEY=VALUE, each key once")
        pairs[key] = value
    return pairs


def _for_ms(fault: StrikesLive, text: str | None) -> float:
    if text is None:
        return fault.terms.lasts_ms or 0.0
    if fault.terms.lasts_ms is None:
        raise UsageError(f"--fault {fault.name}: it is over at once and takes no for=")
    return _ms(fault.name, "for", text)


def _values(fault: StrikesLive, given: Mapping[str, str]) -> dict[str, Value]:
    terms = fault.terms
    for key in given:
        if key not in terms.settings:
            allowed = [*([] if terms.lasts_ms is None else ["for"]), *terms.settings]
            keys = f"one of {', '.join(allowed)}" if allowed else "it takes no values"
            raise UsageError(f"--fault {fault.name}: {_shown(key)}: {keys}")
    return {
        key: _value(f"--fault {fault.name}: {key}", setting, given.get(key))
        for key, setting in terms.settings.items()
    }


def _value(option: str, setting: Setting, text: str | None) -> Value:
    if isinstance(setting, WordChoice):
        if text is not None and text not in setting.words:
            raise UsageError(f"{option}={_shown(text)}: one of {', '.join(setting.words)}")
        return setting.words[0] if text is None else text
    assert setting.default is not None, "a fault's settings have defaults"
    return setting.default if text is None else setting.number(text, option)


def _ms(name: str, what: str, text: str) -> float:
    found = _TIME.fullmatch(text.strip())
    value = float(found[1]) * (1_000 if found[2] == "s" else 1) if found else -1.0
    if not 0 <= value <= _LONGEST_MS:
        raise UsageError(f"--fault {name}: {what} {_shown(text)}: want a time such as 2s or 500ms")
    return value


def _shown(text: str) -> str:
    return ascii(text[:60])


def lag_ms(planned: Iterable[PlannedFault]) -> float:
    """How far a replica has to be behind for these."""
    return max((float(one.values.get("lag_ms", 0.0)) for one in planned), default=0.0)


def needs(planned: Iterable[PlannedFault]) -> frozenset[Need]:
    """What a deployment must have for these."""
    return frozenset(need for one in planned for need in one.fault.terms.needs)
