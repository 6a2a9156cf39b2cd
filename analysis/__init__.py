"""Records in; verdicts, statistics and tables out. `import chunk7` offers the main parts of it.

May import: delivery, wire. Never locust (importing it monkey-patches the process). Drawing needs
matplotlib, which only `chunk7.analysis.figures` and `chunk7.analysis.report` import.
"""
