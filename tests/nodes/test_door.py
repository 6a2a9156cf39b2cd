"""Who counts as a client, and who is cut off: without a network."""

from typing import Any
from unittest.mock import Mock

from chunk7.nodes.door import MAX_STRANGERS, Door


def connection() -> Any:
    return Mock()


def test_a_connection_that_is_let_through_is_a_client() -> None:
    door, one = Door(max_clients=1), connection()
    door.enter(one)
    assert (len(door), door.full) == (1, False)
    door.admit(one)
    assert (len(door), door.full) == (1, True)
    door.leave(one)
    assert (len(door), door.full) == (0, False)


def test_who_has_gone_before_its_handshake_is_answered_takes_no_place() -> None:
    """A request, a bad frame and the end in one packet: the handshake's task runs after them."""
    door, one = Door(max_clients=1), connection()
    door.enter(one)
    door.leave(one)
    door.admit(one)
    assert (len(door), door.full) == (0, False)


def test_the_stranger_who_has_been_here_longest_makes_room() -> None:
    door = Door(max_clients=0)
    strangers = [connection() for _ in range(MAX_STRANGERS + 1)]
    for stranger in strangers:
        door.enter(stranger)
    assert (len(door), door.cut) == (MAX_STRANGERS, 1)
    assert [one.transport.abort.called for one in strangers] == [True] + [False] * MAX_STRANGERS
    door.admit(strangers[0])
    assert len(door) == MAX_STRANGERS
