"""Starts, watches and stops a cluster, and does the jobs that need one.

May import: everything but the front door, `chunk7/`.
"""
