"""The bug report's four factors: what a sweep varies, and from which base."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from chunk7.delivery.errors import UsageError
from chunk7.wire.parameters import Parameter
from chunk7.wire.plan import OPTIONS, Plan

MAX_VALUES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One of the bug report's factors, and what a sweep takes that names no values.

    Its unit and bounds are those of the plan's `field`.
    """

    name: str
    field: str
    values: tuple[float, ...]
    base: float
    option: str = ""
    """Takes the values; by default the parameter's."""
    what: str = ""

    @property
    def parameter(self) -> Parameter:
        """What a value of it may be."""
        return replace(OPTIONS[self.field], none="")

    @property
    def values_option(self) -> str:
        """Takes the values."""
        return self.option or self.parameter.option

    @property
    def base_option(self) -> str:
        """Takes the value that holds while another factor is varied."""
        return f"--base-{self.values_option[2:]}"

    def read(self, option: str, text: str) -> float:
        """One value; raises UsageError."""
        return float(self.parameter.number(text, option))

    def of(self, plan: Plan) -> float:
        """Its value in a plan."""
        return float(getattr(plan, self.field))

    def set_to(self, value: float, plan: Plan) -> Plan:
        """The plan with another value of it."""
        kind = int if self.parameter.whole else float
        return msgspec.structs.replace(plan, **{self.field: kind(value)})


FACTORS: dict[str, Factor] = {
    factor.name: factor
    for factor in (
        Factor(name="chunk-rate", field="chunk_rate", values=(5, 10, 20, 40, 80), base=20),
        Factor(name="store-latency", field="store_latency_ms", values=(0, 2, 5, 10, 20), base=0),
        Factor(
            name="node-work",
            field="node_work_ms",
            values=(0, 5, 10, 20, 50),
            base=10,
            what="what a node does between its two steps: the report's slower execution under load",
        ),
        Factor(
            name="concurrent-joins",
            field="users",
            option="--concurrent-joins",
            values=(30, 60, 120, 240),
            base=120,
            what="users that join within --duration",
        ),
    )
}


def chosen_factors(
    named: Sequence[str], values: Mapping[str, str | None], base: Mapping[str, float]
) -> dict[str, list[float]]:
    """The values of every swept factor. `named`: of --factor, none meaning all.

    `values`: the text of each factor's option, None where it was not given. Raises UsageError.
    """
    for name in named:
        if name not in FACTORS:
            raise UsageError(f"--factor {name}: must be one of {', '.join(FACTORS)}")
    swept = [name for name in FACTORS if not named or name in named]
    for name, text in values.items():
        if text is not None and name not in swept:
            raise UsageError(f"{FACTORS[name].values_option} {text}: --factor leaves {name} out")
    return {name: _values(FACTORS[name], values.get(name), base[name]) for name in swept}


def _values(factor: Factor, text: str | None, base: float) -> list[float]:
    option = factor.values_option
    if text is None:
        given = list(factor.values)
    else:
        given = [factor.read(option, word.strip()) for word in text.split(",") if word.strip()]
        if not given:
            raise UsageError(f"{option} {text}: want one value or more, e.g. 1,2,5")
    values = sorted({*map(float, given), float(base)})
    if len(values) > MAX_VALUES:
        raise UsageError(
            f"{option} {text}: {len(values)} values with the base value; at most {MAX_VALUES}"
        )
    return values
