"""nginx in front of the nodes: its configuration, and how to start it."""

import grp
import os
import pwd
import re
from collections.abc import Sequence
from pathlib import Path

from cluster.binaries import nginx
from delivery.errors import UsageError

_TEMPLATE = Path(__file__).with_name("nginx.conf.template")
_NAME = re.compile(r"\$\{(CHUNK7_\w+)\}")


def render(
    folder: Path, listen: tuple[str, int], nodes: Sequence[tuple[str, int]], connections: int
) -> str:
    """The configuration. `connections` is how many clients it must hold at a time.

    Everything nginx writes goes into `folder`, an absolute path.
    """
    values = {
        "CHUNK7_USER": _user(),
        "CHUNK7_FOLDER": _quotable(folder),
        "CHUNK7_LISTEN": f"{listen[0]}:{listen[1]}",
        "CHUNK7_SERVERS": "\n        ".join(
            f"server {host}:{port} max_fails=1 fail_timeout=1s;" for host, port in nodes
        ),
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
    configuration.write_text(render(folder, listen, nodes, connections))
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
