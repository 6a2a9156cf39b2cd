"""`chunk7 up`: a local cluster kept running, with the Locust web UI."""

import argparse
import sys
from pathlib import Path

from chunk7.cluster.options import Subparsers, add_out, whole
from chunk7.commands.run import add_cells, add_cluster, add_kind, add_load
from chunk7.console import stderr_console
from chunk7.delivery.errors import Interrupted
from chunk7.wire.options import Parser


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The cluster's and the load's options, which the web UI starts from, and the ports."""
    parser = subparsers.add_parser(
        "up",
        description="Starts a cluster and the Locust web UI, and keeps both running until Ctrl-C.",
    )
    for option, default, what in (
        ("--port", 8080, "where WebSocket clients connect"),
        ("--web-port", 8089, "where the web UI is"),
        ("--status-port", 8090, "where the cluster says how it is"),
    ):
        parser.add_argument(
            option,
            type=whole(option, 1, 65_535),
            default=default,
            metavar="PORT",
            help=f"{what} (default: %(default)s)",
        )
    add_cells(parser)
    add_kind(parser)
    add_cluster(parser)
    add_load(parser)
    add_out(parser, "runs/TIME-SEED")
    parser.set_defaults(threshold=[], target=None)


def run(args: argparse.Namespace) -> int:
    """Keep it running until a signal ends it; its exit code. Raises Chunk7Error for another end."""
    from chunk7.cluster.jobs import up
    from chunk7.cluster.settings import read_settings

    console = stderr_console()
    ports = up.Ports(args.port, args.web_port, args.status_port)
    settings = read_settings(args)
    try:
        if args.cluster == "compose":
            from chunk7.cluster.deployments import compose

            compose.keep_running(settings, args.out, ports, console)
        else:
            up.keep_running(settings, args.out, ports, console, _tell)
    except Interrupted as stopped:  # which is how it is meant to end: no error
        sys.stderr.write(f"chunk7 up: {stopped}\n")
        return stopped.exit_code
    return 0


def _tell(websocket: str, web: str, producer: str, folder: Path) -> None:
    sys.stdout.write(f"WebSocket  {websocket}/ws/SESSION?ordering=NAME\n")
    sys.stdout.write(f"demo       {websocket.replace('ws', 'http', 1)}/demo\n")
    sys.stdout.write(f"producer   {producer}\n")
    sys.stdout.write(f"records    {folder}\n")
    sys.stdout.write(f"web UI     {web}  (Ctrl-C stops it)\n")
    sys.stdout.flush()
