"""What the report shows, in the order in which a reader needs it: no markup, and no arithmetic.

`make_page` takes a judged run; HTML and Markdown are rendered from the page and from nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.analysis.conclusion import conclusion, proof
from chunk7.analysis.report.comparisons import comparison_tables
from chunk7.analysis.report.faults import faults_table
from chunk7.analysis.report.losses import Losses, losses_of
from chunk7.analysis.report.making import Section, sections
from chunk7.analysis.report.pictures import Picture
from chunk7.analysis.report.returns import returns_table
from chunk7.analysis.report.table import Table
from chunk7.analysis.report.tables import (
    causes_table,
    cells_table,
    prices_table,
    processes_table,
    times_table,
)
from chunk7.analysis.report.thresholds import Held, thresholds_table
from chunk7.analysis.report.words import (
    Group,
    headline,
    lede,
    mark_of,
    mark_of_run,
    number,
    validity,
)
from chunk7.analysis.study import Study


@dataclass(frozen=True, slots=True)
class Sentence:
    """A cell's conclusion, and what the explorer knows; `mark` as in `table.Shown`."""

    mark: str
    text: str
    proof: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that is shown, in its order."""

    run: str
    headline: str
    mark: str
    valid: bool
    validity: str
    reasons: Sequence[str]
    excused: Sequence[str]
    """What would be reasons, had no fault struck on purpose."""
    lede: Sequence[Group]
    facts: Sequence[tuple[str, str]]
    thresholds: Table | None
    cells: Table
    sentences: Sequence[Sentence]
    comparisons: Sequence[Table]
    pictures: Sequence[Picture]
    faults: Table | None
    causes: Table
    losses: Losses
    returns: Table | None
    prices: Table
    times: Table
    making: Sequence[Section]
    processes: Table


def make_page(
    study: Study,
    held: Sequence[Held],
    pictures: Sequence[Picture],
) -> Page:
    """The page of a judged run; `held` says how its thresholds came out."""
    summary = study.summary
    return Page(
        run=study.run.folder.resolve().name,
        headline=headline(summary),
        mark=mark_of_run(summary),
        valid=summary.valid,
        validity=validity(summary),
        reasons=summary.invalid_because,
        excused=summary.excused,
        lede=lede(summary),
        facts=_facts(study),
        thresholds=thresholds_table(held, summary),
        cells=cells_table(summary),
        sentences=[
            Sentence(mark_of(r, summary.valid), conclusion(r), proof(r)) for r in summary.results
        ],
        comparisons=comparison_tables(study),
        pictures=pictures,
        faults=faults_table(summary),
        causes=causes_table(summary.results),
        losses=losses_of(study),
        returns=returns_table(summary.results),
        prices=prices_table(study),
        times=times_table(summary.results),
        making=sections(study),
        processes=processes_table(study),
    )


def _facts(study: Study) -> list[tuple[str, str]]:
    """The size of it all."""
    results = study.summary.results
    counts = (
        ("cells", len(results)),
        ("connections", sum(r.connections for r in results)),
        ("chunks expected", sum(r.chunks_expected for r in results)),
        ("chunks lost", sum(r.chunks_lost for r in results)),
        ("duplicates", sum(r.chunks_duplicate for r in results)),
    )
    facts = [(name, number(count, 0)) for name, count in counts]
    return [*facts, ("seed", str(study.summary.seed))]
