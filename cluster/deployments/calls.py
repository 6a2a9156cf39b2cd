"""Short calls to parts of a cluster: to a control of ours, and to the store."""

import asyncio
from typing import Any

from chunk7.delivery.errors import Chunk7Error

ANSWER_WITHIN_S = 5.0


async def put(url: str, body: object) -> None:
    """Tell a process of ours. Raises Chunk7Error when it does not take it."""
    import aiohttp  # 0.2 s, which a run without faults does without

    timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.put(url, json=body) as said:
            if said.status >= 300:
                raise Chunk7Error(f"{url}: {said.status} {(await said.text()).strip()}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Chunk7Error(f"{url} does not answer: {str(error) or 'too late'}") from error


async def ask_store(url: str, *command: str | bytes | int) -> Any:
    """The reply of the store at this URL. Raises Chunk7Error, of which StoreError is one."""
    from chunk7.wire.store.link import Link  # 0.1 s: redis-py

    link = await Link.open(url, "chunk7-faults")
    try:
        return await asyncio.wait_for(link.send(*command), ANSWER_WITHIN_S)
    except TimeoutError as error:
        raise Chunk7Error(f"the store did not answer {command[0]!s}") from error
    finally:
        await link.close()
