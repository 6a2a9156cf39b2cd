"""A share of the cases of a wide test for `make test`; `make wide` has the others."""

from collections.abc import Iterable
from typing import Any

import pytest

Row = tuple[Any, ...]
"""A case: a value for each argument."""


def share(cases: Iterable[Row], one_in: int = 3) -> list[Any]:
    """One in so many of these cases stays, the others are marked `wide`.

    Those stay whose arguments' places, each in the order in which its values first come, have a sum
    that `one_in` divides: of a whole product every value of an argument meets that part of each
    other's.
    Where a value would not stay at all, the first case that has it does.
    """
    rows = [*cases]
    columns = [list(dict.fromkeys(column)) for column in zip(*rows, strict=True)]
    stay = [row for row in rows if _sum_of_places(columns, row) % one_in == 0]
    for row in rows:
        if any(all(row[at] != other[at] for other in stay) for at in range(len(row))):
            stay.append(row)
    return [_case(row, wide=row not in stay) for row in rows]


def rarely(*row: Any) -> Any:
    """A case that takes long and tells little that the others do not."""
    return _case(row, wide=True)


def _sum_of_places(columns: list[list[Any]], row: Row) -> int:
    return sum(column.index(value) for column, value in zip(columns, row, strict=True))


def _case(row: Row, wide: bool) -> Any:
    return pytest.param(*row, id="-".join(map(_word, row)), marks=pytest.mark.wide if wide else ())


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(map(_word, value)) or "none"
    return str(getattr(value, "name", value))
