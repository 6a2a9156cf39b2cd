"""Instruments that look at somebody else's system from outside and tell the same facts as a run.

May import all that is above it in docs/architecture.md, so everything but cluster and chunk7.
"""
