"""What crosses a process boundary: frames, records, the plan of a run, store commands, clocks, the
live judge's answers; intervals and quantiles, for simulator and analysis.

May import: delivery; intervals and quantiles, which no recording process imports, numpy and scipy.
"""
