"""Where a cluster runs: local processes or containers, and each of their parts.

May import: producer, loadtest, nodes and all above them.
"""
