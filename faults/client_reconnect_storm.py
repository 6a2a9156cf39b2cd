"""Every client loses its connection at the same moment, and all come back at once."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Value
from chunk7.wire.parameters import Parameter


class ClientReconnectStorm:
    """See above."""

    name = "client_reconnect_storm"
    terms = LiveTerms(
        settings={
            "share": Parameter(low=0, high=1, what="of the users", option="share", default=1.0)
        },
        by_users=True,
    )

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        raise AssertionError("the load test's users do it")
        yield ""
