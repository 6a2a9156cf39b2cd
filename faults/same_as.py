"""Faults that have no schedules of their own, because in `explore` nothing takes time."""

SAME_AS: dict[str, str | None] = {
    "producer_kill": "producer_timeout",  # the chunk under way has no known outcome
    "network_cut": "store_kill_pubsub",  # in the end the connections are opened anew
    "proxy_reload": "client_reconnect_storm",  # it closes what outlasts its patience
    "node_pause": None,
    "store_pause": None,
    "store_latency": None,
}
"""By name, the fault that makes the same schedules; None: it delays, and every order is explored
anyway. If a delay outlasts somebody's patience, that is `store_kill_pubsub`, `slow_client` or
`producer_timeout`."""
