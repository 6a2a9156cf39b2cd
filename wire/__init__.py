"""What crosses a process boundary: frames, records, the timetable, store
commands, clocks, the live judge's answers; and how sure a share is, for simulator and analysis.

May import: delivery; the intervals, which no recording process imports, numpy and scipy.
"""
