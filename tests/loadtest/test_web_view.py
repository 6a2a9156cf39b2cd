import msgspec
import pytest
from web_kit import FIX, judged

from chunk7.loadtest.web.judge import DeliveryAnswer
from chunk7.loadtest.web.view import COLUMNS, Row, View, view
from chunk7.wire.live import Document


def document(**changes: object) -> Document:
    return msgspec.convert(judged(**changes), Document)


BUG_CELLS = (
    *("1,200", "30", "2.5%", "1.8% to 3.5%", "34", "2 (0.005%)", "31.2 (20.0 to 45.5)", "0", "0"),
    *("0.50", "1.25"),
)
FIX_CELLS = ("40", "0", "0%", "0% to 8.8%", "0", "0", "0.0 (0.0 to 0.0)", "12", "3", "-", "-")


def test_a_valid_test_says_what_each_ordering_came_to() -> None:
    assert view(DeliveryAnswer(document=document()), "", 1_002.0) == View(
        tone="bad",
        headline="1 of 2 orderings lost chunks",
        reasons=(),
        about="valid; rounds 2 to 3, running; judged 2 s ago, with records 0.8 s old",
        rows=(
            Row("history_then_subscribe", "publish_then_save", "bad", BUG_CELLS),
            Row('own "fix", <b>', "atomic_lua", "good", FIX_CELLS, "not explored"),
        ),
    )


def test_the_headlines_tone_is_the_outcome_and_what_can_lose_is_not_good() -> None:
    """Over 20% loss stood on green: the tone used to be that of the validity."""
    can_lose = FIX | {"explored": {"verdict": "loses", "chunks": 3, "command": "chunk7 explore"}}
    kept = FIX | {"explored": {"verdict": "lossless", "chunks": 3, "command": "chunk7 explore"}}
    seen = view(DeliveryAnswer(document=document(results=[can_lose, kept])), "", 1_002.0)
    assert (seen.tone, seen.headline) == (
        "lucky",
        "None of 2 orderings lost chunks, but 1 can lose",
    )
    assert [(row.tone, row.known) for row in seen.rows] == [
        ("lucky", "lost none here, can lose"),
        ("good", "no interleaving loses"),
    ]
    seen = view(DeliveryAnswer(document=document(results=[kept])), "", 1_002.0)
    assert (seen.tone, seen.headline) == ("good", "None of 1 orderings lost chunks")


def test_of_a_test_that_is_not_valid_every_reason_is_told_and_nothing_looks_good() -> None:
    reasons = ["locust was saturated", "round 2: nothing was published"]
    seen = view(
        DeliveryAnswer(document=document(valid=False, invalid_because=reasons)), "", 1_000.0
    )
    assert (seen.tone, seen.headline, seen.reasons) == (
        "bad",
        "NOT VALID: these numbers are not to be relied on",
        tuple(reasons),
    )
    assert [row.tone for row in seen.rows] == ["bad", "none"]


def test_before_anything_is_judged_nothing_is_said_of_validity() -> None:
    empty = document(round=None, rounds=0, results=[], state="idle", judged_at_unix_s=0.0)
    assert view(DeliveryAnswer(document=empty), "", 5.0) == View(
        "none", "Nothing judged yet", (), "", ()
    )


def test_without_an_answer_the_reason_is_told() -> None:
    seen = view(DeliveryAnswer(problem="the judge does not answer"), "", 5.0)
    assert seen == View("bad", "Not judged", ("the judge does not answer",), "", ())


def test_what_ended_the_test_is_told_first_and_the_numbers_stay() -> None:
    seen = view(DeliveryAnswer(document=document()), "unknown write ordering 'x'", 1_000.0)
    assert (seen.headline, seen.reasons) == ("The test was ended", ("unknown write ordering 'x'",))
    assert len(seen.rows) == 2
    assert view(DeliveryAnswer(problem="gone"), "line", 0.0).reasons == ("line",)


def test_an_ordering_of_which_nothing_is_known_never_looks_good() -> None:
    """A server that spoke another language: 533 of 533 chunks unknown, and "Valid" on green."""
    unread = {**FIX, "chunks_expected": 533, "chunks_delivered": 0, "chunks_undetermined": 533}
    seen = view(DeliveryAnswer(document=document(results=[unread])), "", 1_000.0)
    assert (seen.tone, seen.rows[0].tone) == ("none", "none")
    assert seen.headline == "None of 1 orderings lost chunks, 1 cannot be judged yet"
    assert seen.rows[0].cells[COLUMNS.index("undetermined")] == "533 (100%)"


@pytest.mark.parametrize(
    ("age_s", "told"), [(0.4, "just now"), (59.6, "60 s ago"), (600.0, "10 min ago")]
)
def test_the_age_is_told(age_s: float, told: str) -> None:
    seen = view(DeliveryAnswer(document=document(round=2, rounds=1)), "", 1_000.0 + age_s)
    assert seen.about == f"valid; round 2, running; judged {told}, with records 0.8 s old"
