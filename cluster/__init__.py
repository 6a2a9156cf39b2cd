"""Starts, watches and stops a cluster, and the `chunk7` command line.

May import: everything; nothing imports it.
"""
