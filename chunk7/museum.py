"""The field cases, explored and told: on a terminal, as JSON, and as docs/field-cases.md."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from chunk7.console import known_width
from chunk7.delivery.errors import UsageError
from chunk7.exploration import Finding, Tick, find
from chunk7.field_cases import FIELD_CASES
from chunk7.simulator.explore.field_case import FieldCase, Variant
from chunk7.simulator.explore.guard import guarded
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.search import SearchLimits

_WIDTH = 100


class ToldCase(NamedTuple):
    """A case, and what exploring has found of each of its variants."""

    case: FieldCase
    findings: list[Finding]

    def document(self) -> dict[str, Any]:
        """The case in the JSON of `chunk7 explore --case`."""
        return {
            "name": self.case.name,
            "title": self.case.title,
            "links": list(self.case.links),
            "story": self.case.story,
            "live": list(self.case.live),
            "variants": [
                {"name": variant.name, "what": variant.what, "cell": finding.document}
                for variant, finding in self._pairs()
            ],
        }

    def page(self) -> str:
        """Its section of docs/field-cases.md: story, verdicts, and the bug drawn."""
        lines = [f"## {self.case.title}", "", self.case.story, ""]
        lines += ["| | what | verdict | schedules | fail |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(row)} |" for row in self._rows()]
        reports = ", ".join(f"<{link}>" for link in self.case.links)
        lines += ["", f"`chunk7 explore --case {self.case.name}`. Read in {reports}.", ""]
        if self.case.live:
            lines += ["On a real store:", "", "```", *self.case.live, "```", ""]
        if self._drawn():
            lines += ["```", self._drawn()[0].rstrip(), "```", ""]
        return "\n".join(lines)

    def show(self, console: Console) -> None:
        """On a terminal: all of it, with a drawing of every variant that fails."""
        console.print(self.case.title, style="bold", markup=False)
        for paragraph in self.case.story.split("\n\n"):
            text = textwrap.fill(" ".join(paragraph.split()), min(console.width, _WIDTH))
            console.print(f"\n{text}", markup=False, highlight=False, soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for heading in ("", "what", "verdict", "schedules", "fail"):
            table.add_column(heading, overflow="fold")
        for row in self._rows():
            table.add_row(*row)
        console.print()
        console.print(table)
        for drawing in self._drawn(known_width()):
            console.out("\n" + drawing, highlight=False, end="")
        for link in self.case.links:
            console.out(f"\n{link}", highlight=False, end="")
        console.print("\n")

    def _pairs(self) -> Iterator[tuple[Variant, Finding]]:
        yield from zip(self.case.variants, self.findings, strict=True)

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for variant, finding in self._pairs():
            cell = finding.document
            failed = ", ".join(f"{kind} {_count(cell[kind])}" for kind in Failure if cell.get(kind))
            schedules = _count(cell["schedules"])
            yield variant.name, variant.what, finding.verdict, schedules, failed or "none"

    def _drawn(self, width: int | None = None) -> list[str]:
        """What is to be seen of each variant that fails, with the variant's name above it."""
        return [
            f"{variant.name}: {finding.examples[kind][1].text(width)}"
            for variant, finding in self._pairs()
            for kind in variant.fails[:1]
        ]


def told(wanted: Sequence[str], limits: SearchLimits, jobs: int = 1) -> Iterator[ToldCase]:
    """The named cases, or all, in the registry's order. Raises UsageError for one that is not."""
    for name in wanted:
        if name not in FIELD_CASES and name != "all":
            raise UsageError(f"--case {name}: one of {', '.join(FIELD_CASES)}, all")
    cases = [case for name, case in FIELD_CASES.items() if name in wanted or "all" in wanted]
    jobs = min(jobs, len(cases))

    def job(tick: Tick, share: slice) -> Iterator[list[Finding]]:
        for case in cases[share]:
            yield [find(each.cell, replace(limits, tick=tick)) for each in case.variants]

    if jobs == 1:
        found = job(lambda: None, slice(None))
    else:
        found = guarded(*(partial(job, share=slice(n, None, jobs)) for n in range(jobs)))
    for case, findings in zip(cases, found, strict=True):
        yield ToldCase(case, findings)


def _count(count: int) -> str:
    return f"{count:,}" if count < 10_000_000 else f"{count:.1e}"


PAGE_HEAD = """# Field cases

Bugs that people really shipped at the handover from what is stored to what is live, each as
orderings: what was reported, what was done about it and, where that was not all, what would be.
Every verdict is computed, by trying all schedules of a short session (`make field-cases` writes
this page); the drawing is the shortest schedule of the bug. The stories are ours, and simpler
than the systems they are about: they say of a *model* of the code that was public then what can
happen in it. `field_cases/` has a folder each, with the orderings. A test replays each
failure's shortest schedule on a real store, but for those with an end of its own or a replica.

Columns as in [Exploring every interleaving](exploration.md): of so many schedules so many are
`lossy` (a reader never gets a chunk), `duplicating`, `out_of_order`, `rewinding`, `stuck`; where
there is an end, `unfinished` (a reader never learns of it) and `false_end` (told so, it lacks
something); `foreign` is a chunk of an answer that was not asked for.

"""


def page(limits: SearchLimits, jobs: int) -> str:
    """The whole of docs/field-cases.md."""
    cases = list(told(["all"], limits, jobs))
    index = "".join(f"- [{one.case.title}](#{_anchor(one.case.title)})\n" for one in cases)
    return PAGE_HEAD + index + "\n" + "\n".join(one.page() for one in cases)


def _anchor(title: str) -> str:
    """As GitHub names a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
