"""Instruments that look at somebody else's system from outside and tell the same facts as a run.

May import delivery, wire, loadtest and analysis.
"""
