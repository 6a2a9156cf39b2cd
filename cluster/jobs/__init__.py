"""What is done with a cluster: run, up, sweep, reproduce.

May import: everything but the front door.
"""
