"""Durations that are drawn: `constant(1)`, `lognormal(median_ms=2,sigma=0.5)`, `empirical(...)`.

A distribution is a frozen record with `mean_ms` and `draw(rng, count)`, which returns `count`
non-negative float64 milliseconds. `parse_distribution` reads the notation of the command line;
`str()` of a distribution gives that notation back.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chunk7.delivery.errors import UsageError

Durations = NDArray[np.float64]


class Distribution(Protocol):
    """A non-negative random duration."""

    @property
    def mean_ms(self) -> float:
        """Expected value."""

    def draw(self, rng: np.random.Generator, count: int) -> Durations:
        """`count` independent values, shape (count,), milliseconds."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    value_ms: float

    def __post_init__(self) -> None:
        _require_duration("value_ms", self.value_ms)

    @property
    def mean_ms(self) -> float:
        return self.value_ms

    def draw(self, rng: np.random.Generator, count: int) -> Durations:
        return np.full(count, float(self.value_ms))

    def __str__(self) -> str:
        return f"constant({self.value_ms:g})"


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every value from low to high is equally likely."""

    low_ms: float
    high_ms: float

    def __post_init__(self) -> None:
        _require_duration("low_ms", self.low_ms)
        _require_duration("high_ms", self.high_ms)
        if self.low_ms > self.high_ms:
            raise UsageError(f"low_ms {self.low_ms:g} is above high_ms {self.high_ms:g}")

    @property
    def mean_ms(self) -> float:
        return (self.low_ms + self.high_ms) / 2

    def draw(self, rng: np.random.Generator, count: int) -> Durations:
        return rng.uniform(self.low_ms, self.high_ms, count)

    def __str__(self) -> str:
        return f"uniform({self.low_ms:g},{self.high_ms:g})"


@dataclass(frozen=True, slots=True)
class Exponential:
    """Without memory."""

    mean_ms: float

    def __post_init__(self) -> None:
        _require_duration("mean_ms", self.mean_ms)

    def draw(self, rng: np.random.Generator, count: int) -> Durations:
        return rng.exponential(self.mean_ms, count)

    def __str__(self) -> str:
        return f"exponential({self.mean_ms:g})"


@dataclass(frozen=True, slots=True)
class LogNormal:
    """The logarithm is normal: the usual shape of latencies. `sigma` is the logarithm's."""

    median_ms: float
    sigma: float

    def __post_init__(self) -> None:
        _require_duration("median_ms", self.median_ms)
        _require_duration("sigma", self.sigma)
        if self.median_ms == 0:
            raise UsageError("median_ms is 0: must be above 0")
        if self.sigma > 10:
            raise UsageError(f"sigma is {self.sigma:g}: must be from 0 to 10")

    @property
    def mean_ms(self) -> float:
        return self.median_ms * math.exp(self.sigma**2 / 2)

    def draw(self, rng: np.random.Generator, count: int) -> Durations:
        drawn = standard_normal(rng, count)
        drawn *= np.float32(self.sigma)
        durations = np.exp(drawn, out=drawn).astype(np.float64)
        durations *= self.median_ms
        return durations

    def __str__(self) -> str:
        return f"lognormal(median_ms={self.median_ms:g},sigma={self.sigma:g})"


@dataclass(frozen=True, slots=True)
class Empirical:
    """Values that were measured, each as likely as the next."""

    values_ms: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values_ms:
            raise UsageError("no values: at least one is needed")
        for value in self.values_ms:
            _require_duration("value", value)

    @property
    def mean_ms(self) -> float:
        return math.fsum(self.values_ms) / len(self.values_ms)

    def draw(self, rng: np.random.Generator, count: int) -> Durations:
        return np.asarray(self.values_ms)[rng.integers(0, len(self.values_ms), count)]

    def __str__(self) -> str:
        return f"empirical({','.join(f'{value:g}' for value in self.values_ms)})"


def standard_normal(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """`count` independent standard normal values, shape (count,), by Box and Muller's method.

    In single precision, where logarithm, sine and cosine are done eight or sixteen at a time: a
    third of the time of numpy's own. The largest is 5.8, since a uniform value has 24 bits: what
    lies beyond comes once in 120 million. A duration is exact to seven digits, and no measured one
    has more.
    """
    half = -(-count // 2)
    radius, angle = rng.random((2, half), dtype=np.float32)
    np.subtract(np.float32(1), radius, out=radius)  # from above 0 to 1: it has a logarithm
    np.log(radius, out=radius)
    radius *= np.float32(-2)
    np.sqrt(radius, out=radius)
    angle *= np.float32(2 * math.pi)
    values = np.empty(2 * half, dtype=np.float32)
    np.multiply(np.cos(angle), radius, out=values[:half])
    np.multiply(np.sin(angle, out=angle), radius, out=values[half:])
    return values[:count]


def empirical(values_ms: Sequence[float]) -> Empirical:
    """The distribution of measured durations, say the windows of a live run.

    Raises UsageError for an empty sequence and for a value that is negative or not finite.
    """
    return Empirical(tuple(float(value) for value in values_ms))


@dataclass(frozen=True, slots=True)
class Call:
    """`name(1,2,key=3)` taken apart; every value is still text."""

    name: str
    positional: tuple[str, ...]
    named: dict[str, str]


def parse_call(text: str, option: str) -> Call:
    """Take `name` or `name(values)` apart. Raises UsageError, in one line that names `option`."""
    name, bracket, inside = text.strip().partition("(")
    if bracket and not inside.endswith(")"):
        raise UsageError(f"{option} {text!r}: the bracket does not close")
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in inside[:-1].split(",") if inside[:-1].strip() else []:
        key, equals, value = part.partition("=")
        if not equals:
            positional.append(part.strip())
        elif key.strip() in named:
            raise UsageError(f"{option} {text!r}: {key.strip()} is given twice")
        else:
            named[key.strip()] = value.strip()
    return Call(name.strip(), tuple(positional), named)


def take_numbers(call: Call, names: Sequence[str], option: str) -> list[float]:
    """The call's values in the order of `names`, whether given by place or by name.

    Raises UsageError for a missing, unknown or surplus value and for what is no number.
    """
    usage = f"{call.name}({','.join(names)})"
    if len(call.positional) > len(names):
        raise UsageError(f"{option}: too many values for {usage}")
    given = dict(zip(names, call.positional, strict=False))
    for name, value in call.named.items():
        if name not in names or name in given:
            raise UsageError(f"{option}: {name!r} does not fit {usage}")
        given[name] = value
    missing = [name for name in names if name not in given]
    if missing:
        raise UsageError(f"{option}: {usage} lacks {missing[0]}")
    return [to_number(given[name], option) for name in names]


def to_number(text: str, option: str) -> float:
    """A finite number. Raises UsageError, naming `option`."""
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"{option}: {text!r} is not a number") from None
    if not math.isfinite(value):
        raise UsageError(f"{option}: {text!r} is not a finite number")
    return value


_SHAPES: dict[str, tuple[Callable[..., Distribution], tuple[str, ...]]] = {
    "constant": (Constant, ("value_ms",)),
    "uniform": (Uniform, ("low_ms", "high_ms")),
    "exponential": (Exponential, ("mean_ms",)),
    "lognormal": (LogNormal, ("median_ms", "sigma")),
}

DISTRIBUTIONS = (
    "a number, constant(value_ms), uniform(low_ms,high_ms), exponential(mean_ms), "
    "lognormal(median_ms,sigma), empirical(value,...), empirical(path=FILE)"
)
"""What `parse_distribution` takes, for help texts and messages."""


def parse_distribution(text: str, option: str) -> Distribution:
    """The distribution that `text` writes down; `option` is named in messages.

    Raises UsageError in one line for an unknown name and for values that do not fit.
    """
    call = parse_call(text, option)
    try:
        if call.name in _SHAPES:
            shape, names = _SHAPES[call.name]
            return shape(*take_numbers(call, names, option))
        if call.name == "empirical":
            return empirical(_measured(call, option))
        if "(" not in text and call.name.startswith(tuple("0123456789.+-")):
            return Constant(to_number(call.name, option))
    except UsageError as error:
        message = str(error)
        raise UsageError(
            message if message.startswith(option) else f"{option}: {message}"
        ) from None
    raise UsageError(f"{option} {text!r}: must be {DISTRIBUTIONS}")


def _measured(call: Call, option: str) -> list[float]:
    if not call.named:
        return [to_number(value, option) for value in call.positional]
    if call.positional or set(call.named) != {"path"}:
        raise UsageError(f"{option}: empirical takes values, or path=FILE alone")
    path = Path(call.named["path"])
    try:
        lines = path.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option}: cannot read {path}: {error}") from None
    return [to_number(line, f"{option}: {path}") for line in lines]


def _require_duration(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{name} is {value:g}: must be 0 or more, and finite")
