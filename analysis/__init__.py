"""Records in; verdicts, statistics and tables out.

May import: delivery, wire. Never locust (importing it monkey-patches the process).
"""
