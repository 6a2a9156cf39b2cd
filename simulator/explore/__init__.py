"""Every interleaving of a cell's events.

May import: delivery.
"""
