"""Write a run's report: report.html, report.md, junit.xml, figures/; each whole or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chunk7.analysis.report.html import render_html
from chunk7.analysis.report.junit import render_junit
from chunk7.analysis.report.markdown import render_markdown
from chunk7.analysis.report.page import make_page
from chunk7.analysis.report.pictures import pictures
from chunk7.analysis.report.thresholds import hold
from chunk7.analysis.study import Study
from chunk7.analysis.thresholds import Threshold
from chunk7.delivery.errors import UsageError
from chunk7.wire.whole_files import write_whole

HTML, MARKDOWN, JUNIT, FIGURES = "report.html", "report.md", "junit.xml", "figures"


@dataclass(frozen=True, slots=True)
class Report:
    """Where everything was written."""

    html: Path
    markdown: Path
    junit: Path
    figures: list[Path]


def write_report(
    study: Study,
    folder: Path,
    thresholds: Sequence[Threshold] = (),
) -> Report:
    """Write the report of a judged run into `folder`, in place of an earlier one.

    Raises UsageError for a folder that cannot be written.
    """
    try:
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        return _write_all(study, folder, thresholds)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror}") from error


def _write_all(study: Study, folder: Path, thresholds: Sequence[Threshold]) -> Report:
    held = hold(thresholds, study.summary.results)
    drawn = pictures(study)
    page = make_page(study, held, drawn)
    report = Report(
        html=folder / HTML,
        markdown=folder / MARKDOWN,
        junit=folder / JUNIT,
        figures=[folder / FIGURES / f"{picture.name}.{picture.suffix}" for picture in drawn],
    )
    for path, picture in zip(report.figures, drawn, strict=True):
        write_whole(path, picture.content)
    write_whole(report.markdown, _encoded(render_markdown(page)))
    write_whole(report.junit, render_junit(study, held))
    write_whole(report.html, _encoded(render_html(page)))
    return report


def _encoded(text: str) -> bytes:
    """Paths may hold bytes that are no text."""
    return text.encode("utf-8", errors="replace")
