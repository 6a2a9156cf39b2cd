"""The session's keys outlive their time to live while the answer is still being written.

A model thinks for longer than the keys were given, and the next chunk begins them anew: numbers
from 1 again. Subscriptions stay. After the answer's end it is what everybody wants.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.delivery.chunk import epoch_key
from chunk7.faults.fault import Forget, Situation, Strike, Wording
from chunk7.faults.live import Controls, LiveTerms, Need, Value, keys_of

_EPOCHS = epoch_key("").encode()


class Expire:
    """See above; `evict` may come after the end, too."""

    name = "expire"
    terms = LiveTerms(needs=frozenset({Need.STORE}))
    effects: ClassVar = {
        "expire": Wording(
            "the session's history, stream and counter have outlived their time to live",
            "the session's keys EXPIRE",
        )
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """While something is still to be written."""
        if situation.writes:
            yield Strike("store", "expire", None, (Forget(),))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        for key in await keys_of(controls):
            if not key.startswith(_EPOCHS):  # which outlive what they tell apart
                await controls.store("PEXPIRE", key, 1)
        yield "store"
