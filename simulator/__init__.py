"""The pure drivers: every interleaving, and virtual time. Orderings come in as arguments.

May import: delivery, wire; the vectorised engine, and what it shares with the other, numpy.
"""
