"""Figures: finished tables in (analysis/tables.py, analysis/timelines.py), a matplotlib Figure out.

One function a file. May import: matplotlib, analysis.figures.style; never pyplot, a study or a run
folder, and no arithmetic but that of placing marks. Those of the report are listed in
analysis/report/pictures.py; docs/extending.md shows how to add one.
"""
