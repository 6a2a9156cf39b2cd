"""nginx in front of the nodes: its configuration, and how to start it."""

import grp
import os
import pwd
import re
from collections.abc import Sequence
from pathlib import Path

from chunk7.cluster.deployments.binaries import nginx
from chunk7.delivery.errors import UsageError
from chunk7.wire.whole_files import write_whole

_TEMPLATE = Path(__file__).with_name("nginx.conf.template")
_FAILING = "max_fails=0"
"""A node that fails is tried again at once: none is passed over for a while without a try. One that
ended refuses at once, or its name leads nowhere a second later. A rolling deploy takes node after
node, and a store that restarts makes all of them say 503: nginx was left with none for two seconds,
and with names that it asks for, as long as anybody went on asking."""
_NAME = re.compile(r"\$\{(CHUNK7_\w+)\}")


def render(
    folder: Path, listen: tuple[str, int], nodes: Sequence[tuple[str, int]], connections: int
) -> str:
    """The configuration. `connections` is how many clients it must hold at a time.

    Everything nginx writes goes into `folder`, an absolute path.
    """
    servers = [f"server {host}:{port} {_FAILING};" for host, port in nodes]
    return _filled(_user(), folder, f"{listen[0]}:{listen[1]}", servers, connections)


def render_for_compose(port: int, node_port: int, connections: int) -> str:
    """The same for a container: nodes are whoever Docker's own name server calls `node` just now.

    nginx asks again every second, so the round follows when nodes are added or removed.
    """
    servers = [
        "zone nodes 256k;",
        "resolver 127.0.0.11 valid=1s ipv6=off;",
        f"server node:{node_port} resolve {_FAILING};",
    ]
    return _filled("# no root: no user to change to", Path("/tmp"), str(port), servers, connections)  # noqa: S108


def _filled(user: str, folder: Path, listen: str, servers: Sequence[str], connections: int) -> str:
    values = {
        "CHUNK7_USER": user,
        "CHUNK7_FOLDER": _quotable(folder),
        "CHUNK7_LISTEN": listen,
        "CHUNK7_SERVERS": "\n        ".join(servers),
        # Each client takes two: its own and the one to the node.
        "CHUNK7_WORKER_CONNECTIONS": str(2 * connections + 64),
    }
    return _NAME.sub(lambda match: values[match[1]], _TEMPLATE.read_text())


def nginx_command(
    folder: Path, listen: tuple[str, int], nodes: Sequence[tuple[str, int]], connections: int
) -> tuple[str | Path, ...]:
    """Write the configuration into `folder`; the command that runs it in the foreground."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "nginx.conf"
    write_whole(configuration, render(folder, listen, nodes, connections))
    pid = f'daemon off; pid "{_quotable(folder)}/nginx.pid";'
    return (nginx(), "-p", folder, "-c", configuration, "-e", "stderr", "-g", pid)


def _quotable(path: Path) -> str:
    """The path, if it can stand between the quotes of the template."""
    if any(character in str(path) for character in '"\\\n'):
        raise UsageError(f'{path}: nginx takes no path with " or \\ or a line break')
    return str(path)


def _user() -> str:
    """Root's nginx would give up its rights, and then could not enter a folder of root's."""
    if os.geteuid() != 0:
        return "# not started by root: no user to change to"
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};"
