"""What a container of the compose cluster runs: `python -m chunk7.container ROLE`.

`init` decides once what every part is started with and writes that into the run folder; each
container then looks its own command up and becomes it. So a node that is added later runs with the
same options as its siblings, whatever the shell that scaled the cluster had in its environment.

Read from the environment: CHUNK7_RUN, the run folder (init makes one behind the name `current`),
and, by init alone, CHUNK7_OPTIONS, words of `chunk7 up`.
"""

import argparse
import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from chunk7.delivery.errors import Chunk7Error, UsageError

TOKEN = "notebooks.token"  # noqa: S105 - the name of the file it is in
GRAFANA_PASSWORD = "grafana.password"  # noqa: S105 - so is this
CURRENT = "current"
_ALIVE_WITHIN_S = 5.0
"""Every part appends to its records every second."""

_NOTEBOOKS = Path("/srv/notebooks")
_FIRST = "lab/tree/02_loss_rates.ipynb"
"""What Jupyter opens on: the answer to what people come with."""


def main(role: str) -> int:
    """Become the role; returns only for `init`, and on failure."""
    try:
        folder = Path(os.environ["CHUNK7_RUN"])
        if role == "init":
            _init(folder, shlex.split(os.environ.get("CHUNK7_OPTIONS", "")))
            if not (folder / GRAFANA_PASSWORD).exists():  # else a Grafana may be up with it
                _new_secret(folder / GRAFANA_PASSWORD)
        else:
            _become(_command(role, folder.resolve()))
    except Chunk7Error as error:
        sys.stderr.write(f"chunk7: error: {error}\n")
        return error.exit_code
    return 0


def _become(command: list[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-P", "-u", "-m", *command])  # noqa: S606


# --- init ----------------------------------------------------------------------------------


def _init(folder: Path, words: list[str]) -> None:
    """Make a run folder, unless somebody has made it or the cluster is up and writes into it."""
    from chunk7.cluster.deployments.roles import ROLES, write_roles

    if _written_to(folder) or (folder.name != CURRENT and (folder / ROLES).exists()):
        sys.stderr.write(f"records go on in {folder.resolve()}\n")
        return
    from chunk7.cluster.settings import read_settings

    settings = read_settings(_parsed(words))
    if folder.name == CURRENT:
        folder = _new_folder(folder)
    write_roles(settings, settings.local, folder, folder, None)
    sys.stderr.write(f"records go into {folder}\n")


def _parsed(words: list[str]) -> argparse.Namespace:
    from chunk7.commands import up
    from chunk7.wire.options import Parser

    parser = Parser(prog="chunk7")
    up.add_parser(parser.add_subparsers(dest="command"))
    try:
        args = parser.parse_args(["up", *words])
    except UsageError as error:
        raise UsageError(f"CHUNK7_OPTIONS: {error}") from error
    for option in ("redis", "out"):
        if getattr(args, option) is not None:
            raise UsageError(f"CHUNK7_OPTIONS: --{option}: the compose cluster has its own")
    args.cluster, args.conducted = "compose", False
    return args


def _written_to(folder: Path) -> bool:
    """Whether some part has appended to its records a moment ago."""
    newest = max((path.stat().st_mtime for path in folder.glob("raw/*.arrows")), default=0.0)
    return time.time() - newest < _ALIVE_WITHIN_S


def _new_folder(current: Path) -> Path:
    """A folder named by the time beside `current`, which then points at it."""
    folder = current.with_name(time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    try:
        folder.mkdir()
        partial = current.with_name(f"{CURRENT}.partial")
        partial.unlink(missing_ok=True)
        partial.symlink_to(folder.name)
        partial.rename(current)
    except OSError as error:
        who = f"may user {os.getuid()} write there?"
        raise UsageError(f"{folder}: {error.strerror}: {who}") from error
    return folder


# --- the others ----------------------------------------------------------------------------


def _command(role: str, folder: Path) -> list[str]:
    """Module and words of the role's command, for this very container."""
    if role == "notebooks":
        return _notebooks(folder / TOKEN)
    from chunk7.cluster.deployments.roles import ROLES
    from chunk7.wire.recorder import unclaimed

    roles = json.loads((folder / ROLES).read_text())
    if role not in roles:
        raise UsageError(f"no role {role!r}: one of init, notebooks, {', '.join(roles)}")
    if role == "cluster":
        return [*roles[role], *_attending(folder, os.environ)]
    name = f"{role}-{socket.gethostname()}" if role == "node" else role
    filled = {
        "{name}": unclaimed(folder / "raw", name),
        "{time}": time.strftime("up-%Y%m%dT%H%M%SZ", time.gmtime()),
        "{code}": str(Path(__file__).parent),
    }
    words: list[str] = roles[role]
    for hole, value in filled.items():
        words = [word.replace(hole, value) for word in words]
    return words


def _notebooks(token_file: Path) -> list[str]:
    """Jupyter with a token of its own, in a folder that has the notebooks that came with chunk7.

    It has no terminal, and no sources of the notebooks, which say the same once more. `runs` beside
    them are the run folders. What the parts record into is none that a notebook could open, so
    CHUNK7_RUN, which means that for a notebook, goes.
    """
    here = Path.cwd()
    if not (here / "runs").is_symlink():
        (here / "runs").symlink_to(token_file.parent.parent)
    os.environ.pop("CHUNK7_RUN", None)
    _copy_notebooks(here)
    os.environ["JUPYTER_TOKEN"] = _new_secret(token_file)  # in no command line others could list
    return [
        *("jupyterlab", "--ip", "0.0.0.0", "--port", "8888", "--no-browser"),  # noqa: S104
        *("--ServerApp.terminals_enabled=False", f"--LabApp.default_url=/{_FIRST}"),
    ]


def _copy_notebooks(here: Path) -> None:
    """What somebody has changed stays. Of others Jupyter may show the figures that are in them."""
    ours = []
    for path in sorted(_NOTEBOOKS.rglob("*")):
        copy = here / path.relative_to(_NOTEBOOKS)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        elif path.suffix != ".py":
            if not copy.exists():
                copy.write_bytes(path.read_bytes())
            if path.suffix == ".ipynb" and copy.read_bytes() == path.read_bytes():
                ours.append(str(copy))
    if ours:
        trust = [sys.executable, "-m", "nbformat.sign", *ours]
        subprocess.run(trust, check=True, stdout=subprocess.DEVNULL)


def _new_secret(path: Path) -> str:
    """A random word, and a file with it that its owner alone may read, in place of any other."""
    secret = secrets.token_urlsafe(24)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")
    return secret


def _attending(folder: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """What to check, and what to tell: the addresses are the host's."""

    def on_host(variable: str) -> str:
        return f"127.0.0.1:{environment[variable]}"

    checks = (
        "store=redis://store:6379",
        "node=http://node:8080/healthz",
        "proxy=http://proxy:8080/proxy-healthz",
        "producer=http://producer:8081/healthz",
        "locust=http://locust:8089/",
        "worker=name://worker",
        "notebooks=http://notebooks:8888/api",
    )
    tells = (
        f"WebSocket=ws://{on_host('CHUNK7_PORT')}/ws/SESSION?ordering=NAME",
        f"demo=http://{on_host('CHUNK7_PORT')}/demo",
        f"web UI=http://{on_host('CHUNK7_WEB_PORT')}",
        f"notebooks=http://{on_host('CHUNK7_NOTEBOOKS_PORT')}/{_FIRST}",
        # Not the token itself: command lines and logs are read by more people than that file.
        f"its token=docker compose exec notebooks cat {folder / TOKEN}",
        f"health=http://{on_host('CHUNK7_STATUS_PORT')}/healthz",
        f"delivery=http://{on_host('CHUNK7_STATUS_PORT')}/delivery",
        f"records={environment['CHUNK7_RUNS'] or f'{folder} in the volume runs'}",
    )
    from chunk7.cluster.deployments.parts import spelled

    options = {"--listen": "0.0.0.0:8090", "--run": folder, "--check": checks, "--tell": tells}
    return spelled(options)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
