"""Says how a running cluster is and what its clients lose, over HTTP and in its log.

May import: analysis and all above it, cluster/deployments.
"""
