"""`python -m chunk7.nodes`: parse, run until SIGTERM or Ctrl-C, say in one line what was wrong."""

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import Sequence

from chunk7.delivery.errors import Chunk7Error, RecordError
from chunk7.nodes.node import Node
from chunk7.nodes.options import NodeOptions, parse_options
from chunk7.wire.store.option import hide_password

SPARE_FILES = 64
"""Open files apart from the clients' connections."""


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
    _allow_files(options.max_clients + SPARE_FILES)
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


def _allow_files(wanted: int) -> None:
    """Raise the limit on open files as far as the system lets us, and say if that is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            sys.stderr.write(f"nodes: warning: the system allows {allowed} open files\n")


if __name__ == "__main__":
    sys.exit(main())
