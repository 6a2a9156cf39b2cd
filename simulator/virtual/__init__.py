"""A cluster in virtual time, by events and by arrays.

May import: delivery, numpy.
"""
