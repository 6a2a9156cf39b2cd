"""Loss against the bug report's four factors, live and simulated.

May import: everything but the front door.
"""
