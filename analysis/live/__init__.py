"""Judges the records of a load test while they grow.

May import: delivery, wire, the rest of analysis.
"""
