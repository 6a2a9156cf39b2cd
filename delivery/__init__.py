"""The vocabulary: chunks, effects, ordering protocols, the in-memory store, verdict names.

May import: the standard library, nothing else. Everything else may import this.
"""
