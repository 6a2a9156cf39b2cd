"""A node's channel: when it subscribes, which confirmation is its own, and when it is live."""

from chunk7.delivery.node_channel import UNUSED, ChannelCommand, NodeChannel

SUBSCRIBE, UNSUBSCRIBE = ((command,) for command in ChannelCommand)


def test_the_first_client_subscribes_and_the_others_share() -> None:
    channel, commands = UNUSED.join()
    assert (channel, commands) == (NodeChannel(wanted=True, unconfirmed=1), SUBSCRIBE)
    assert channel.join() == (channel, ())
    assert channel.confirm() == NodeChannel(wanted=True, live=True)
    assert channel.confirm().confirmed


def test_the_last_client_unsubscribes_and_the_others_do_not() -> None:
    channel = UNUSED.join()[0].confirm()
    assert channel.leave(last=False) == (channel, ())
    assert channel.leave(last=True) == (UNUSED, UNSUBSCRIBE)
    assert UNUSED.leave(last=True) == (UNUSED, ())


def test_the_confirmation_of_those_who_have_left_makes_nothing_live() -> None:
    channel = UNUSED.join()[0].leave(last=True)[0].join()[0]
    assert channel == NodeChannel(wanted=True, unconfirmed=2)
    assert channel.confirm() == NodeChannel(wanted=True, unconfirmed=1)
    assert channel.confirm().confirm() == NodeChannel(wanted=True, live=True)


def test_a_confirmation_that_comes_when_all_have_left_makes_nothing_live() -> None:
    assert UNUSED.join()[0].leave(last=True)[0].confirm() == UNUSED


def test_subscribing_again_goes_on_delivering_and_waits_for_one_confirmation_at_a_time() -> None:
    joining = UNUSED.join()[0]
    assert joining.resubscribe() == (joining, ())
    again, commands = joining.confirm().resubscribe()
    assert (again, commands) == (NodeChannel(wanted=True, unconfirmed=1, live=True), SUBSCRIBE)
    assert not again.confirmed
    assert again.resubscribe() == (again, ())
    assert again.confirm() == joining.confirm()


def test_a_lost_connection_answers_nothing_and_a_new_one_is_asked_for_what_is_wanted() -> None:
    joining = UNUSED.join()[0]
    assert joining.lose() == joining.confirm().lose() == NodeChannel(wanted=True)
    assert not joining.lose().confirmed
    assert joining.lose().connect() == (joining, SUBSCRIBE)
    assert joining.leave(last=True)[0].lose() == UNUSED
    assert UNUSED.connect() == (UNUSED, ())
