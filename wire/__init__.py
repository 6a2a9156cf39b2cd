"""What crosses a process boundary: frames, records, the timetable, store commands, clocks.

May import: delivery.
"""
