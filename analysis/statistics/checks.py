"""Arguments of statistics, checked: a ValueError names the one that is wrong."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def numbers(name: str, values: Any, least: float = -np.inf, most: float = np.inf) -> Floats:
    """As an array of floats; raises ValueError unless all are finite and in [least, most]."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers") from None
    if not (np.isfinite(array).all() and (array >= least).all() and (array <= most).all()):
        raise ValueError(f"{name} must be {_range(least, most)}")
    return array


def counts(name: str, values: Any, least: int = 0) -> Floats:
    """As an array of floats; raises ValueError unless all are whole and not below `least`."""
    array = numbers(name, values, least)
    if (array != np.floor(array)).any():
        raise ValueError(f"{name} must be whole numbers")
    return array


def column(name: str, values: Any, length: int | None = None) -> Floats:
    """One-dimensional numbers; raises ValueError for another shape."""
    array: Floats = of_length(name, numbers(name, values), length)
    return array


def of_length(name: str, array: Any, length: int | None = None) -> Any:
    """The array as it is; raises ValueError unless it has one axis, of `length` if given."""
    if array.ndim != 1 or length not in (None, len(array)):
        wanted = "one axis" if length is None else f"the shape ({length},)"
        raise ValueError(f"{name} must have {wanted}, not the shape {array.shape}")
    return array


def share(name: str, value: float) -> float:
    """A level or a probability; raises ValueError unless it is strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must be above 0 and below 1, not {value}")
    return float(value)


def plain(array: Any) -> Any:
    """A float for an array without axes, else the array."""
    return array.item() if np.ndim(array) == 0 else array


def _range(least: float, most: float) -> str:
    if np.isinf(least) and np.isinf(most):
        return "finite"
    return f"finite and at least {least:g}" if np.isinf(most) else f"from {least:g} to {most:g}"
