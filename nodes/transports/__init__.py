"""How frames go from a node to a client, one file each.

May import: delivery, wire.
"""
