"""What a run was made with, for its manifest: versions, commit, machine."""

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil

from chunk7.cluster.deployments.binaries import nginx, valkey_server
from chunk7.wire.store.option import without_password

_WITHIN_S = 10.0


def surroundings() -> dict[str, Any]:
    """JSON-able; what cannot be found out is null."""
    return {
        "versions": {
            "python": platform.python_version(),
            "valkey": _first_line([str(valkey_server()), "--version"]),
            "nginx": _first_line([str(nginx()), "-v"]),
            "packages": _packages(),
        },
        "commit": _commit(),
        "machine": {
            "cpu_count": os.cpu_count(),
            "cpu": _cpu_model(),
            "memory_bytes": psutil.virtual_memory().total,
            "kernel": platform.platform(),
        },
        "argv": [without_password(word) for word in sys.argv],
    }


def _packages() -> dict[str, str | None]:
    """chunk7's own version and those of what it needs."""
    try:
        lines = [line for line in requires("chunk7") or () if "extra ==" not in line]
    except PackageNotFoundError:
        return {}
    needed = [match[0] for line in lines if (match := re.match(r"[\w.-]+", line))]
    return {name: _version(name) for name in ("chunk7", *needed)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, with a `+` where files differ from it; null without one."""
    root = Path(str(files("chunk7"))).parent
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    commit = _first_line([git, "-C", str(root), "rev-parse", "HEAD"])
    changed = _first_line([git, "-C", str(root), "status", "--porcelain", "-uno"])
    return commit and commit + ("+" if changed else "")


def _cpu_model() -> str | None:
    """As the kernel names it (Linux)."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None) or platform.processor() or None


def _first_line(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None
