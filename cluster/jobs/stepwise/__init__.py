"""One schedule on a real store, one atomic event at a time: each waits for the one before it.

The rules are those of `simulator/explore/`, with everything that belongs to the store done by the
store: commands are commands, a subscription is a connection's, and a published chunk is where the
store sent it. Nothing sleeps; a step is over when the store has answered.

May import: everything but the front door.
"""
