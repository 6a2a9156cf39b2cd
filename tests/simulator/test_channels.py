"""How a node's channel stands after each event, with and without clients that leave."""

from functools import reduce

from chunk7.delivery.node_channel import UNUSED, Asked, ChannelCommand, NodeChannel
from chunk7.simulator.explore.channels import (
    NOBODY,
    Channels,
    ChannelStanding,
    confirm,
    execute_next,
    join,
    leave,
    reconnect,
    resubscribe,
    take_effect,
)

SUBSCRIBE, UNSUBSCRIBE = ChannelCommand.SUBSCRIBE, ChannelCommand.UNSUBSCRIBE
LIVE = NodeChannel(wanted=True, live=True)


def after(channels: Channels, *events: object) -> ChannelStanding:
    return channels[reduce(channels.after, events, NOBODY)]  # type: ignore[arg-type]


def test_where_nobody_leaves_a_subscription_is_there_as_soon_as_it_is_executed() -> None:
    channels = Channels()
    assert after(channels) == ChannelStanding(UNUSED)
    assert after(channels, join) == ChannelStanding(NodeChannel(True, 1), (SUBSCRIBE,))
    assert after(channels, join, join) == after(channels, join)
    assert after(channels, join, take_effect) == ChannelStanding(LIVE)


def test_how_many_clients_there_are_counts_only_where_some_may_leave() -> None:
    for ends in (False, True):
        channels = Channels(subscriptions_end=ends)
        one, two = (after(channels, *[join] * count) for count in (1, 2))
        assert (one == two) is not ends


def test_the_last_one_who_leaves_has_the_node_unsubscribe() -> None:
    channels = Channels(subscriptions_end=True)
    both = (join, join, execute_next, confirm)
    assert after(channels, *both) == ChannelStanding(LIVE, (), 2)
    assert after(channels, *both, leave) == ChannelStanding(LIVE, (), 1)
    assert after(channels, *both, leave, leave) == ChannelStanding(UNUSED, (UNSUBSCRIBE,), 0)


def test_a_confirmation_of_those_who_have_left_is_not_that_of_the_one_who_has_come() -> None:
    channels = Channels(subscriptions_end=True)
    crossed = (join, leave, join)
    sent = (SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBE)
    assert after(channels, *crossed) == ChannelStanding(NodeChannel(True, 2), sent, 1)
    first = (*crossed, execute_next, confirm)
    assert after(channels, *first) == ChannelStanding(NodeChannel(True, 1), sent[1:], 1)
    second = (*first, execute_next, execute_next, confirm)
    assert after(channels, *second) == ChannelStanding(LIVE, (), 1)


def test_a_new_connection_forgets_what_was_sent_on_the_old_one_and_keeps_the_clients() -> None:
    channels = Channels(subscriptions_end=True)
    again = ChannelStanding(NodeChannel(True, 1), (SUBSCRIBE,), 1)
    assert after(channels, join, execute_next, confirm, reconnect) == again
    assert after(channels, join, leave, reconnect) == ChannelStanding(UNUSED)


class ForgetsFirst(NodeChannel):
    """Tells a new connection to unsubscribe, and then to subscribe."""

    def connect(self) -> Asked:
        after, subscribe = super().connect()
        return after, (UNSUBSCRIBE, *subscribe)


def test_commands_that_are_sent_at_once_are_executed_one_by_one() -> None:
    channels = Channels(ForgetsFirst())
    again = after(channels, join, take_effect, reconnect)
    assert again.sent == (UNSUBSCRIBE, SUBSCRIBE)
    executed = after(channels, join, take_effect, reconnect, execute_next)
    assert (executed.sent, executed.channel.confirmed) == ((SUBSCRIBE,), False)


def test_a_node_that_asks_again_is_confirmed_twice() -> None:
    channels = Channels()
    asked = after(channels, join, take_effect, resubscribe)
    assert (asked.sent, asked.channel.confirmed) == ((SUBSCRIBE,), False)


def test_an_exploration_gives_a_standing_one_number() -> None:
    channels = Channels()
    assert channels.after(NOBODY, join) == channels.after(NOBODY, join) != NOBODY
