"""Whatever the order of the commands, what is lost is what the law says, and no chunk besides."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from monitor_kit import found, line

CHUNKS = 4
JOIN = (("LRANGE", "chat:history:s", "0", "-1"), ("SUBSCRIBE", "chat:stream:s"))
WRITES = [
    (command, f"chat:{kind}:s", f"chunk {n}")
    for n in range(CHUNKS)
    for command, kind in (("PUBLISH", "stream"), ("RPUSH", "history"))
]
PAIRS = list(zip(WRITES[::2], WRITES[1::2], strict=True))


@given(st.permutations([*JOIN, *WRITES]), st.lists(st.integers(0, 3_000), min_size=10, max_size=10))
def test_lost_is_published_before_the_subscription_and_saved_after_the_read(
    commands: list[tuple[str, ...]], waits_us: list[int]
) -> None:
    """In the store's order, also where commands have the same instant."""
    at_us = list(itertools.accumulate(waits_us))
    lines = [
        line(at / 1_000, "ai1" if command in WRITES else "node1", *command)
        for at, command in zip(at_us, commands, strict=True)
    ]
    place = {command: n for n, command in enumerate(commands)}
    read, subscribed = (place[command] for command in JOIN)
    lost = {
        place[published] + 1
        for published, saved in PAIRS
        if place[published] < subscribed and place[saved] > read
    }
    published_first = any(place[published] < place[saved] for published, saved in PAIRS)
    [join] = found(lines).joins
    assert {chunk.publish.line for chunk in join.lost if chunk.publish} == lost
    assert join.window_us == at_us[subscribed] - at_us[read]
    assert join.raced is (read < subscribed or published_first)
    assert join.verdict == ("lost" if lost else "lucky" if join.raced else "ordered")
