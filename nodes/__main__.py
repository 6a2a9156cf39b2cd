"""`python -m chunk7.nodes`: parse, run until SIGTERM or Ctrl-C, say in one line what was wrong."""

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from chunk7.delivery.errors import Chunk7Error, RecordError, UsageError
from chunk7.nodes.door import MAX_STRANGERS
from chunk7.nodes.listening import ACCEPTED_AT_ONCE
from chunk7.nodes.node import Node
from chunk7.nodes.options import NodeOptions, parse_options
from chunk7.wire.store.option import hide_password

SPARE_FILES = 64 + MAX_STRANGERS + 8 * ACCEPTED_AT_ONCE
"""Open files apart from the clients': our own, of strangers, and what the event loop accepts before
the door sees it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node; the exit code."""
    if arguments is None:
        hide_password()
    try:
        options = parse_options(arguments)
        asyncio.run(_serve(options))
    except Chunk7Error as error:
        sys.stderr.write(f"nodes: error: {error}\n")
        return error.exit_code
    return 0


async def _serve(options: NodeOptions) -> None:
    options = replace(options, max_clients=_clients_of_files(options))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ready: asyncio.Future[int] = loop.create_future()
    ready.add_done_callback(lambda port: _announce(options, port))
    try:
        await Node(options).run(stop, ready)
    except OSError as error:
        raise RecordError(f"--records: {options.records}: {error}") from error


def _announce(options: NodeOptions, port: "asyncio.Future[int]") -> None:
    # The collector would walk all that was imported now and then, and stop every client for it.
    gc.collect()
    gc.freeze()
    if not port.cancelled():
        sys.stderr.write(f"{options.name}: listening on {options.host}:{port.result()}\n")


def _clients_of_files(options: NodeOptions) -> int:
    """--max-clients, or what the limit on open files lets us serve, which is raised if need be.

    Raises UsageError when that is nobody.
    """
    files_each = 2 if options.subscriptions == "per-client" else 1
    allowed = _allow_files(options.max_clients * files_each + SPARE_FILES)
    clients = min(options.max_clients, (allowed - SPARE_FILES) // files_each)
    if clients < 1:
        needed = files_each + SPARE_FILES
        raise UsageError(f"ulimit -n: {allowed} open files are not {needed}, which a node needs")
    if clients < options.max_clients:
        sys.stderr.write(
            f"nodes: warning: the system allows {allowed} open files:"
            f" --max-clients is {clients}, not {options.max_clients}\n"
        )
    return clients


def _allow_files(wanted: int) -> int:
    """Raise the limit on open files as far as the system lets us; what it is then, or `wanted`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


if __name__ == "__main__":
    sys.exit(main())
