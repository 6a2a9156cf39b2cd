"""The AI producer: recorded answers in, chunks to the store in a write ordering.

May import: delivery, wire.
"""
