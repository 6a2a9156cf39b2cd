"""A cell of the explorer on a real store, taken through a schedule step by step."""

import asyncio
from dataclasses import replace
from typing import Any

from chunk7.cluster.jobs.stepwise.client import SteppedClient
from chunk7.cluster.jobs.stepwise.keys import SessionKeys
from chunk7.cluster.jobs.stepwise.producer import SteppedProducers
from chunk7.cluster.jobs.stepwise.reading import read
from chunk7.cluster.jobs.stepwise.relay import Relay
from chunk7.cluster.jobs.stepwise.strikes import SteppedStrikes
from chunk7.cluster.jobs.stepwise.turns import expect, misplaced, unpaused
from chunk7.delivery.chunk import is_notice, stream_key
from chunk7.delivery.effects import (
    NEWEST,
    Confirmed,
    Cursor,
    Follow,
    LookWhenPoked,
    Release,
    ReleaseAfter,
    SendHistory,
    SendWelcome,
    Start,
    Subscribe,
    Unsubscribe,
)
from chunk7.delivery.errors import OrderingError, StoreError
from chunk7.delivery.fetch import fetch_missing
from chunk7.delivery.following import follow, release_after
from chunk7.delivery.frames import BeatFrame, JoinedFrame, StoredFrame
from chunk7.delivery.handover import attach, check, detach, note, release
from chunk7.delivery.ordering import Join
from chunk7.delivery.stepping import Steps
from chunk7.simulator.explore.coverage import subscriptions_end
from chunk7.simulator.explore.production import most_undone
from chunk7.simulator.explore.schedule import PRODUCERS, Step
from chunk7.simulator.explore.state import (
    ExploreCell,
    session_chunks,
)
from chunk7.wire.store.store import Store

ANSWER_WITHIN_S = 10.0
"""A store that does not answer a step for this long is taken to be gone."""


class SteppedCell:
    """A cell's participants on a real store. Sessions are told apart by `session_id`."""

    def __init__(self, cell: ExploreCell, store: Store, url: str, session_id: str) -> None:
        self._cell = cell
        self._store = store
        self._session_id = session_id
        self._positioned = cell.connect.recovery is not None
        channel = stream_key(session_id)
        ends = subscriptions_end(cell)
        self._relays = [Relay(url, channel, cell.hub, ends) for _ in range(1 + len(cell.faults))]
        chunks = [replace(chunk, session_id=session_id) for chunk in session_chunks(cell.chunks)]
        self.keys = SessionKeys(store, session_id, undone=most_undone(cell.faults))
        self.producers = SteppedProducers(cell.write, cell.life, chunks, store, self.keys)
        numbers = {(c.message_id, c.index): n for n, c in enumerate(chunks, 1)}
        policy = cell.client_model()
        self.clients = [
            SteppedClient(policy, numbers, self._join(0), policy.start())
            for _ in range(cell.joiners)
        ]
        self._strikes = SteppedStrikes(
            cell, self.clients, self._relays, self.keys, self.producers, self._rejoin
        )

    async def close(self) -> None:
        """End the nodes' connections."""
        for relay in self._relays:
            await relay.disconnect()

    async def take(self, step: Step) -> Any:
        """Do one step; what the store answered, or None where it was not asked.

        Raises Chunk7Error when the step is not what its actor would do next, StoreError when the
        store refuses it or does not answer.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._take(step)
        except TimeoutError:
            raise StoreError(
                f"{step.actor} {step.effect}: no answer within {ANSWER_WITHIN_S:g} s"
            ) from None

    async def _take(self, step: Step) -> Any:
        if await self._strikes.strike(step):
            return None
        actor, _, join = step.actor.partition(".join")
        if actor.startswith(PRODUCERS):
            return await self.producers.take(step)
        if actor == "store":
            return await self._by_itself(step)
        node = int(actor.removeprefix("node")) - 1
        if not join:
            return await self._relay(step, node)
        return await self._serve(step, self.clients[int(join) - 1])

    # --- the store, and a node's subscription ---

    async def _by_itself(self, step: Step) -> None:
        sent = [relay for relay in self._relays if relay.sent]
        if not sent or await sent[0].execute() != step.effect:
            raise misplaced(step, "nothing")

    async def _relay(self, step: Step, node: int) -> None:
        if step.effect == "confirmation":
            await self._relays[node].hear_confirmation()
            return
        if step.effect not in ("deliver", "notice"):
            raise misplaced(step, "nothing of that kind")
        chunk = await self._relays[node].next_chunk()
        if chunk is None:
            return
        for client in self.clients:
            if client.node == node and client.handover is not None:
                client.poked = client.poked or is_notice(chunk)
                if is_notice(chunk):
                    continue
                client.handover, sent = client.handover.take(chunk.seq, chunk)
                client.receive_live(sent)
                if client.at_hole:
                    client.recover(self._cell.connect)

    # --- what a node does for one client ---

    def _join(self, resume: int | Cursor) -> Steps:
        return unpaused(Steps(self._cell.connect.steps(Join.resuming(self._session_id, resume))))

    def _rejoin(self, client: SteppedClient, node: int) -> None:
        resume = client.policy.resume_after(client.memory)
        client.rejoin(node, self._join(resume), resume)

    async def _serve(self, step: Step, client: SteppedClient) -> Any:
        match step.effect:
            case "tail":
                await client.tail(self._store, self._session_id)
            case "look":
                await client.look(self._store, self._read_from(client))
            case "heartbeat":
                head = await self._store.head(self._session_id)
                client.receive(BeatFrame(head))
                checked = check(client.handover, head) if client.follows else None
                if checked is not None:
                    client.handover = checked
                    self._relays[client.node].resubscribe()
                    client.recover(self._cell.connect)
                return head
            case "fetch":
                feed = self._cell.connect.feed
                client.fetching = Steps(fetch_missing(feed, *client.fetches.popleft()))
                answer = await self._perform(client, client.fetching.effect)
                client.fetching.advance(answer)
                return answer
            case "fetched" if client.fetching is not None:
                fetching, client.fetching = client.fetching, None
                await self._perform(client, fetching.effect)
            case _:
                expect(step, client.steps.effect)
                client.begun = True
                answer = await self._perform(client, client.steps.effect)
                client.steps.advance(answer)
                if unpaused(client.steps).effect is None:
                    client.recovering = False
                return answer
        return None

    async def _perform(self, client: SteppedClient, effect: Any) -> Any:
        relay = self._relays[client.node]
        match effect:
            case Subscribe(to):
                client.handover = attach(client.handover, to, client.after_seq, self._positioned)
                relay.join()
            case Confirmed():
                if not relay.confirmed:
                    raise OrderingError("the store has not confirmed the subscription yet")
            case Unsubscribe():
                detach(client.handover)
                client.handover = None
                relay.leave()
            case SendHistory(chunks, cursor):
                client.handover = note(client.handover, (chunk.seq for chunk in chunks))
                client.receive(StoredFrame(chunks, cursor))
            case Start():
                pass  # the schedule's producers have waited for it
            case SendWelcome(head_seq):
                client.receive(JoinedFrame(head_seq))
            case Release(known):
                client.handover, held = release(client.handover, known)
                client.receive_live(held)
            case Follow(after, to):
                if after == NEWEST:
                    after = (await self._store.stream(self._session_id, after)).cursor
                client.following = follow(client.following, after, to)
            case LookWhenPoked(after_seq):
                client.looked = after_seq
            case ReleaseAfter(after):
                client.following, entries = release_after(client.following, after)
                client.receive_entries(entries)
            case _:
                return await read(self._store, self._read_from(client), effect)
        return None

    def _read_from(self, client: SteppedClient) -> str:
        return self.keys.read_from(client.node, self.producers.writing)
