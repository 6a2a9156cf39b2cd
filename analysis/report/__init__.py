"""A judged run as people and machines read it: report.html, report.md, junit.xml, figures.

`write_report` does all of it. `page.py` says what is shown, once, for HTML and Markdown; templates
and renderers only say how. May import: analysis, delivery, wire.
"""

from chunk7.analysis.report.writing import Report, write_report

__all__ = ["Report", "write_report"]
