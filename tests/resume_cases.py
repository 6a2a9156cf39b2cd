"""Where a client resumes, by the numbers it was sent: one table for `delivery/client.py` and for
`nodes/demo/chat-client.js`, which is held to it in a browser.
"""

RESUMES: dict[str, tuple[tuple[int, ...], int]] = {
    "of nothing": ((), 0),
    "in order": ((1, 2, 3), 3),
    "behind a hole, not after the highest": ((1, 2, 4, 5), 2),
    "with a hole at the start": ((2, 3), 0),
    "after a hole was filled late": ((1, 3, 4, 2), 4),
    "live before the history": ((3, 4, 1, 2, 3), 4),
    "with doubles": ((1, 1, 2, 2), 2),
    "with two holes, the first of them filled": ((1, 3, 5, 2), 3),
}
"""What it was sent, in order, and the `after_seq` of its next connection."""
