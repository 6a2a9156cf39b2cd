"""The store: its commands, over one pipelined connection.

May import: delivery, wire.
"""
