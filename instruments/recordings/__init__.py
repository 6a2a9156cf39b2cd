"""Recordings that people have: of what a client received, or of what a store holds.

A file each for a format (`formats.py` is their registry), then frames to pieces of an answer by a
target's rules (`reading.py`), and one recording held against another (`judging.py`).

May import: delivery, wire, loadtest.targets without its I/O, analysis.
"""
