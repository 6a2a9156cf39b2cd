"""The proxy takes a new configuration: new workers, and the old ones' connections end soon."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Value


class ProxyReload:
    """See above."""

    name = "proxy_reload"
    terms = LiveTerms()

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        await controls.reload_proxy()
        yield "proxy"
