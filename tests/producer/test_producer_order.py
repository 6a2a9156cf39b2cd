"""An order is refused in one line that names the field and its bounds."""

from typing import Any

import pytest
from producer_kit import an_order

from chunk7.delivery.errors import UsageError
from chunk7.producer.order import check
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.timetable import Cell


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("run", "a/b", "1 to 64 letters"),
        ("run", "", "1 to 64 letters"),
        ("run", "demo-1", "which is not recorded"),
        ("seed", -1, "0 to 9223372036854775807"),
        ("sessions", 0, "1 to 10000"),
        ("sessions", 10_001, "1 to 10000"),
        ("duration_ms", 0, "1 to 86400000"),
        ("duration_ms", 86_400_001, "1 to 86400000"),
        ("settle_ms", -1, "0 to 3600000"),
        ("lead_ms", -1, "0 to 600000"),
        ("chunk_rate", 0.0, "above 0, up to 10000"),
        ("chunk_rate", 10_001.0, "above 0, up to 10000"),
        ("chunk_rate", float("nan"), "above 0, up to 10000"),
        ("jitter", -0.1, "0 to 10"),
        ("jitter", float("nan"), "0 to 10"),
        ("ttft_ms", -1.0, "0 to 600000"),
        ("message_chunks", 0, "1 to 1000000"),
        ("save_lag_ms", -1.0, "0 to 60000"),
        ("cells", [], "at least one cell"),
        ("cells", [Cell("c", "atomic_lua")] * 50_001, "at most 100000 sessions together"),
        ("cells", [Cell("c", "nope")], "unknown write ordering 'nope'"),
    ],
)
def test_a_bad_field_is_named_with_its_bounds(field: str, value: Any, reason: str) -> None:
    with pytest.raises(UsageError) as failure:
        check(an_order(**{field: value}), WRITE_ORDERINGS)
    assert str(failure.value).startswith(field)
    assert reason in str(failure.value)
    assert "\n" not in str(failure.value)


def test_bounds_are_allowed_values() -> None:
    low = an_order(sessions=1, duration_ms=1, settle_ms=0, message_chunks=1, ttft_ms=0.0, seed=0)
    high = an_order(sessions=10_000, duration_ms=86_400_000, chunk_rate=10_000.0, seed=2**63 - 1)
    check(low, WRITE_ORDERINGS)
    check(high, WRITE_ORDERINGS)
    check(an_order(chunk_rate=None, ttft_ms=None, message_chunks=None), WRITE_ORDERINGS)
