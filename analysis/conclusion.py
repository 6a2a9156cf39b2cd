"""One plain sentence on each ordering: whether it loses, and at what price it does not."""

from enum import StrEnum

from chunk7.analysis.results import Result
from chunk7.analysis.validity import ValidityLimits


class Standing(StrEnum):
    """What a cell showed."""

    LOSES = "loses"
    LUCKY = "lost none here, can lose"
    KEEPS = "keeps all"
    UNKNOWN = "cannot be judged"


def standing(result: Result) -> Standing:
    """A cell that lost nothing keeps all only if enough of its chunks could be judged, and if no
    interleaving of its orderings is known to lose.
    """
    if result.chunks_lost:
        return Standing.LOSES
    empty = result.connections == 0 or result.chunks_expected == 0
    if empty or result.chunks_undetermined > ValidityLimits().undetermined * result.chunks_expected:
        return Standing.UNKNOWN
    if result.explored and result.explored.verdict == "loses":
        return Standing.LUCKY
    return Standing.KEEPS


def proof(result: Result) -> str:
    """What is known of a cell that lost nothing beside what was measured; '' for any other."""
    if standing(result) in (Standing.LOSES, Standing.UNKNOWN):
        return ""
    explored = result.explored
    if explored is None:
        return "Not explored: another interleaving may lose."
    match explored.verdict:
        case "lossless":
            return f"No interleaving of {explored.chunks} chunks loses one."
        case "loses":
            return f"`{explored.command}` draws how."
        case "unknown":
            return f"Not explored to the end: `{explored.command}` goes on."


def conclusion(result: Result) -> str:
    """What the numbers of one cell say."""
    if result.connections == 0 or result.chunks_expected == 0:
        return f"{result.name} cannot be judged: nobody was there to receive a chunk."
    notes = [_verdict(result)]
    if result.chunks_unexpected:
        notes.append(f"{result.chunks_unexpected} receipts were of no chunk that was published")
    if result.chunks_undetermined:
        notes.append(
            f"{result.chunks_undetermined} of {result.chunks_expected} chunks are undetermined"
        )
    return f"{result.name} {'; '.join(notes)}."


def _verdict(result: Result) -> str:
    match standing(result):
        case Standing.LOSES:
            return _loses(result)
        case Standing.KEEPS | Standing.LUCKY:
            return _keeps(result)
        case Standing.UNKNOWN:
            return f"cannot be judged: no loss was seen in {result.connections} connections"


def _loses(result: Result) -> str:
    causes = ", ".join(f"{cause} {count}" for cause, count in result.causes.items())
    low, high = _percent(result.loss_rate_low), _percent(result.loss_rate_high)
    return (
        f"loses: {result.lossy_connections} of {result.connections} connections lost "
        f"{_count(result.chunks_lost, 'chunk')} ({causes}), {low} to {high} of all"
    )


def _keeps(result: Result) -> str:
    keeps = (
        f"{standing(result)}: 0 of {result.connections} connections lost a chunk "
        f"(at most {_percent(result.loss_rate_high)})"
    )
    price = [
        text
        for count, text in (
            (result.chunks_duplicate, _count(result.chunks_duplicate, "duplicate")),
            (result.chunks_out_of_order, f"{result.chunks_out_of_order} out of order"),
            (result.rewinds, _count(result.rewinds or 0, "rewind")),
            (result.chunks_fetched, f"{result.chunks_fetched} fetched later"),
        )
        if count
    ]
    return f"{keeps}, at the price of {', '.join(price)}" if price else f"{keeps}, at no price"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _percent(share: float | None) -> str:
    """Two significant digits."""
    return "unknown" if share is None else f"{float(f'{share * 100:.2g}'):g}%"
