"""What the judge of a running load test answers at `GET /delivery`; docs/live.md explains it."""

import csv
import io

import msgspec

from chunk7.delivery.verdicts import Cause
from chunk7.wire.account import Account, Quantiles


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The connections of one pair that opened in one bin of time; `at_s` is the bin's middle.

    `finished`: no more will open in it, all have ended, and at most 5% of their chunks are
    undetermined. Until then losses may come to it, or it hides some.
    """

    at_s: float
    connect: str
    write: str
    connections: int
    lossy_connections: int
    chunks_lost: int
    loss_rate: float
    loss_rate_low: float
    loss_rate_high: float
    window_ms_p50: float | None
    window_ms_p95: float | None
    finished: bool


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """docs/live.md explains each field."""

    schema: int = 1
    state: str
    round: int | None
    from_round: int
    rounds: int
    rounds_forgotten: int
    valid: bool
    invalid_because: list[str]
    judged_at_unix_s: float
    lag_s: float
    results: list[Account]
    history: list[Moment]


def as_csv(*documents: Document) -> str:
    """The results as RFC 4180 has it: a row a pair, quantiles and causes in columns of their own.

    Numbers are not rounded. A quantile that is not known is empty, a cause that did not occur 0;
    `explored` is the verdict alone.
    """
    plain = [name for name in Account.__struct_fields__ if name not in _NESTED]
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # its lines end in CR LF
    writer.writerow(
        [
            *("round", "rounds", "valid"),
            *plain,
            *(f"{name}_{quantile}" for name in _QUANTILES for quantile in _OF_EACH),
            *(f"lost_by_{cause.value}" for cause in Cause),
            "explored",
        ]
    )
    for document in documents:
        valid = "yes" if document.valid else "no"
        for total in document.results:
            spread = [getattr(getattr(total, name), q) for name in _QUANTILES for q in _OF_EACH]
            causes = [total.causes.get(cause.value, 0) for cause in Cause]
            values = (getattr(total, name) for name in plain)
            explored = total.explored.verdict if total.explored else None
            row = [document.round, document.rounds, valid, *values, *spread, *causes, explored]
            writer.writerow(row)
    return text.getvalue()


_QUANTILES = ("window_ms", "gap_ms", "join_ms")
_NESTED = (*_QUANTILES, "causes", "explored")
_OF_EACH = Quantiles.__struct_fields__
