"""A RESP proxy with gates: every interleaving made to happen on somebody's unmodified system.

May import delivery, wire, faults, producer, loadtest, simulator and analysis.
"""
