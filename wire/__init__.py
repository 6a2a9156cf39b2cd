"""What crosses a process boundary: frames, records, the timetable, store
commands, clocks, the live judge's answers.

May import: delivery.
"""
