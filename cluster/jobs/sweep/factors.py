"""The bug report's four factors: what a sweep varies, between which bounds, from which base."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chunk7.cluster.options import number, whole
from chunk7.delivery.errors import UsageError

MAX_VALUES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One of the bug report's factors, its bounds, and what a sweep takes that names no values."""

    name: str
    option: str
    """Takes the values."""
    unit: str
    whole: bool = False
    low: float
    high: float
    values: tuple[float, ...]
    base: float
    what: str

    @property
    def base_option(self) -> str:
        """Takes the value that holds while another factor is varied."""
        return f"--base-{self.option[2:]}"

    def parser(self, option: str) -> Callable[[str], float]:
        """An argparse type for one value."""
        if self.whole:
            return whole(option, int(self.low), int(self.high))
        return number(option, self.low, self.high)


FACTORS: dict[str, Factor] = {
    factor.name: factor
    for factor in (
        Factor(
            name="chunk-rate",
            option="--chunk-rate",
            unit="chunks/s",
            low=0.1,
            high=10_000,
            values=(5, 10, 20, 40, 80),
            base=20,
            what="chunks a second and session",
        ),
        Factor(
            name="store-latency",
            option="--store-latency-ms",
            unit="ms",
            low=0,
            high=10_000,
            values=(0, 2, 5, 10, 20),
            base=0,
            what="delay between processes and store, each way",
        ),
        Factor(
            name="node-work",
            option="--node-work-ms",
            unit="ms",
            low=0,
            high=10_000,
            values=(0, 5, 10, 20, 50),
            base=10,
            what="what a node does between its two steps: the report's slower execution under load",
        ),
        Factor(
            name="concurrent-joins",
            option="--concurrent-joins",
            unit="users",
            whole=True,
            low=1,
            high=100_000,
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
            raise UsageError(f"{FACTORS[name].option} {text}: --factor leaves {name} out")
    return {name: _values(FACTORS[name], values.get(name), base[name]) for name in swept}


def _values(factor: Factor, text: str | None, base: float) -> list[float]:
    parse = factor.parser(factor.option)
    if text is None:
        given = list(factor.values)
    else:
        given = [parse(word.strip()) for word in text.split(",") if word.strip()]
        if not given:
            raise UsageError(f"{factor.option} {text}: want one value or more, e.g. 1,2,5")
    values = sorted({*map(float, given), float(base)})
    if len(values) > MAX_VALUES:
        raise UsageError(
            f"{factor.option} {text}: {len(values)} values with the base value; "
            f"at most {MAX_VALUES}"
        )
    return values
