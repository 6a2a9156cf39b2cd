"""How live chunks come from the store to a node: Pub/Sub and streams, one file each.

May import: delivery, wire, nodes/transports.
"""
