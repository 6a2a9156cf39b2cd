"""What is shown of a judge's answer: words and numbers as people read them."""

from dataclasses import dataclass

from chunk7.loadtest.web.judge import DeliveryAnswer
from chunk7.wire.account import Account
from chunk7.wire.live import Document

COLUMNS = (
    "connections",
    "lossy",
    "loss rate",
    "95% interval",
    "chunks lost",
    "undetermined",
    "predicted, 95% interval",
    "duplicates",
    "out of order",
    "window p50, ms",
    "window p95, ms",
)
NONE = "-"
"""Where there is no number (yet)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One cell; `cells` go with COLUMNS. `tone` is bad, lucky (it can lose), good or none."""

    connect: str
    write: str
    tone: str
    cells: tuple[str, ...]
    known: str = ""
    """What is known of the pair beside what was measured."""


@dataclass(frozen=True, slots=True)
class View:
    """What there is to see. `tone` is bad, lucky, good or none: of what the headline says."""

    tone: str
    headline: str
    reasons: tuple[str, ...]
    about: str
    rows: tuple[Row, ...]


def view(answer: DeliveryAnswer, failure: str, now_unix_s: float) -> View:
    """The view of an answer; `failure` is why Locust itself ended the test, if it did."""
    document = answer.document
    rows = tuple(_row(result, document.valid) for result in document.results) if document else ()
    about = _about(document, now_unix_s) if document else ""
    if failure:
        return View("bad", "The test was ended", (failure,), about, rows)
    if document is None:
        return View("bad", "Not judged", (answer.problem,), "", ())
    reasons = tuple(document.invalid_because)
    if not document.valid:
        return View("bad", "NOT VALID: these numbers are not to be relied on", reasons, about, rows)
    if not any(result.connections for result in document.results):
        return View("none", "Nothing judged yet", (), about, rows)
    return View(_tone(rows), _found(document.results), (), f"valid; {about}", rows)


def _found(results: list[Account]) -> str:
    """What came out. That it is valid is no news by itself, and stands below."""
    lossy = sum(result.lossy_connections > 0 for result in results)
    unknown = sum(not _is_known(result) for result in results)
    yet = f", {unknown} cannot be judged yet" if unknown else ""
    if lossy:
        return f"{lossy} of {len(results)} orderings lost chunks{yet}"
    lucky = sum(map(_can_lose, results))
    but = f", but {lucky} can lose" if lucky else ""
    return f"None of {len(results)} orderings lost chunks{but}{yet}"


def _tone(rows: tuple[Row, ...]) -> str:
    """The worst that some row has: bad news never stands on green."""
    tones = {row.tone for row in rows}
    return next((tone for tone in ("bad", "lucky", "none") if tone in tones), "good")


def _is_known(result: Account) -> bool:
    """That it loses is known by one chunk; that it does not, only where most chunks are known."""
    return result.lossy_connections > 0 or result.can_be_judged


def _can_lose(result: Account) -> bool:
    """Whether an interleaving of its steps is known to lose, though none did here."""
    explored = result.explored
    return result.lossy_connections == 0 and explored is not None and explored.verdict == "loses"


def _about(document: Document, now_unix_s: float) -> str:
    """Which rounds, in what state, and how old it is."""
    if document.round is None:
        return ""
    first = document.round - document.rounds + 1
    which = f"round {first}" if document.rounds == 1 else f"rounds {first} to {document.round}"
    judged = _ago(now_unix_s - document.judged_at_unix_s)
    return f"{which}, {document.state}; judged {judged}, with records {document.lag_s:.1f} s old"


def _ago(age_s: float) -> str:
    if age_s < 0.95:
        return "just now"
    if age_s < 120:
        return f"{age_s:.0f} s ago"
    return f"{age_s / 60:.0f} min ago"


def _row(result: Account, valid: bool) -> Row:
    """Nothing looks like good news where the numbers are not valid, or too few are known."""
    cells = (
        f"{result.connections:,}",
        f"{result.lossy_connections:,}",
        _percent(result.loss_rate),
        f"{_percent(result.loss_rate_low)} to {_percent(result.loss_rate_high)}",
        f"{result.chunks_lost:,}",
        _undetermined(result),
        _predicted(result),
        f"{result.chunks_duplicate:,}",
        f"{result.chunks_out_of_order:,}",
        _ms(result.window_ms.p50),
        _ms(result.window_ms.p95),
    )
    tone = "good" if result.can_be_judged and valid else "none"
    if result.lossy_connections:
        tone = "bad"
    elif tone == "good" and _can_lose(result):
        tone = "lucky"
    return Row(result.connect, result.write, tone, cells, _known(result))


def _known(result: Account) -> str:
    """What the explorer says of a pair that lost nothing."""
    if result.lossy_connections:
        return ""
    if result.explored is None:
        return "not explored"
    return {
        "loses": "lost none here, can lose",
        "lossless": "no interleaving loses",
        "unknown": "not explored to the end",
    }[result.explored.verdict]


def _predicted(result: Account) -> str:
    low, high = result.chunks_lost_predicted_low, result.chunks_lost_predicted_high
    if result.chunks_lost_predicted is None:  # nobody knows the joins
        return NONE
    return f"{result.chunks_lost_predicted:,.1f} ({low:,.1f} to {high:,.1f})"


def _undetermined(result: Account) -> str:
    """Also as a share of the chunks expected, which says whether it matters."""
    if not result.chunks_undetermined:
        return "0"
    share = result.chunks_undetermined / max(1, result.chunks_expected)
    return f"{result.chunks_undetermined:,} ({_percent(share)})"


def _percent(share: float | None) -> str:
    """Two significant digits below ten per cent, whole numbers from there on."""
    if share is None:
        return NONE
    number = 100 * share
    return f"{number:.0f}%" if number >= 9.95 or number == 0 else f"{number:.2g}%"


def _ms(duration_ms: float | None) -> str:
    return NONE if duration_ms is None else f"{duration_ms:.2f}"
