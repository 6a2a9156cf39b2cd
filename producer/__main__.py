"""`python -m chunk7.producer`: serve the control API, or carry out one plan and end."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator

import msgspec

from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.producer.answers import read_answers
from chunk7.producer.http import served
from chunk7.producer.journal import Journal, Totals, open_recorder
from chunk7.producer.metrics import ProducerMetrics
from chunk7.producer.options import ProducerOptions, parse_options
from chunk7.producer.service import Producer
from chunk7.producer.store_connection import StoreConnection
from chunk7.wire.plan import Plan, as_options
from chunk7.wire.store.layout import OWN
from chunk7.wire.store.option import hide_password

log = logging.getLogger("producer")


def main() -> int:
    """Run until told to stop; the exit code."""
    hide_password()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        options = parse_options()
        totals = asyncio.run(run(options))
    except Chunk7Error as error:
        sys.stderr.write(f"producer: error: {error}\n")
        return error.exit_code
    if options.plan is not None:
        sys.stdout.write(_told(options.plan, totals, options.json) + "\n")
    return 0


async def run(options: ProducerOptions) -> Totals:
    """The whole life of a producer. Raises UsageError and StoreUnreachable before it begins."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    answers = read_answers(options.answers)
    recorder = None if options.records is None else open_recorder(options.records, options.name)
    # Whose clients see texts only needs them to be told what was sent.
    journal = Journal(recorder, ProducerMetrics(), keeps_texts=options.layout is not OWN)
    connection = await StoreConnection.open(
        options.redis,
        options.name,
        options.history_ttl_ms,
        options.stream_max_entries,
        options.layout,
    )
    gc.collect()  # what was imported stays: walking it again and again would delay chunks
    gc.freeze()
    try:
        await connection.note_clock(journal)
        async with _in_background(journal, connection) as group:
            producer = Producer(connection, journal, answers, options.orderings, group)
            async with _listening(producer, options):
                await _work(producer, options.plan, stop)
                await producer.close()
        await connection.note_clock(journal)
    finally:
        journal.close()
        await connection.close()
    return journal.totals


@contextlib.asynccontextmanager
async def _in_background(
    journal: Journal, connection: StoreConnection
) -> AsyncIterator[asyncio.TaskGroup]:
    """Keep the journal and the store meanwhile; a failure in the group ends the block."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(journal.keep()),
                group.create_task(connection.watch(journal)),
            ]
            yield group
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failures:
        raise _first(failures) from failures


@contextlib.asynccontextmanager
async def _listening(producer: Producer, options: ProducerOptions) -> AsyncIterator[None]:
    """Serve the control API meanwhile, if so told."""
    if options.listen is None:
        yield
        return
    host, port = options.listen
    async with served(producer, host, port, options.origins) as bound:
        log.info("%s: listening on %s:%d", options.name, host, bound)
        yield


async def _work(producer: Producer, plan: Plan | None, stop: asyncio.Event) -> None:
    """Until the plan is carried out, or we are told to stop."""
    until: set[asyncio.Task[object]] = {asyncio.create_task(stop.wait())}
    if plan is not None:
        try:
            await producer.take(plan)
        except UsageError as error:
            raise UsageError(as_options(str(error))) from error
        until.add(asyncio.create_task(producer.finished()))
    try:
        await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in until:
            task.cancel()


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """One failure says enough."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


def _told(plan: Plan, totals: Totals, as_json: bool) -> str:
    """What was done, in one line."""
    write = plan.cells[0].write
    if as_json:
        document = {"schema": 1, "run": plan.run, "write": write, "sessions": plan.sessions}
        return msgspec.json.encode({**document, **msgspec.to_builtins(totals)}).decode()
    return (
        f"{plan.run}: {write}, {plan.sessions} sessions: {totals.chunks} chunks, "
        f"{totals.published} published ({totals.without_receivers} to nobody), "
        f"{totals.saved} saved, {totals.errors} errors"
    )


if __name__ == "__main__":
    sys.exit(main())
