"""chunk7 in somebody else's project, whose folders have the names of ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
CONSOLE = str(Path(sys.executable).with_name("chunk7"))
OURS = [path.name for path in (ROOT / "chunk7").iterdir() if path.is_symlink()]
IN_LOADTEST = tuple(path.stem for path in (ROOT / "loadtest").glob("[!_]*") if path.stem != "run")
SMALL = ("--users", "12", "--sessions", "3", "--nodes", "2", "--duration", "2", "--no-report")
BUSY = "was saturated|after their plan"
"""Reasons against a run that are this machine's, when it has other work."""


def project(folder: Path, *names: str) -> Path:
    """A folder with packages of these names that cannot be imported."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise SystemExit('{name} of the project')\n")
    return folder


def ended(
    folder: Path, *command: str, path: str | None = None, code: int = 0
) -> "subprocess.CompletedProcess[str]":
    """The command, run in the folder with PYTHONPATH=`path`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = path
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == code or re.search(BUSY, done.stdout), done.stdout + done.stderr
    return done


def test_the_command_and_its_processes_work_beside_folders_of_our_names(tmp_path: Path) -> None:
    """`No module named 'cluster.cli'`, when ours were installed by these names.

    Workers of Locust, too: it puts the current folder and its locustfile's in front.
    """
    folder = project(tmp_path, *OURS, *IN_LOADTEST)
    words = ("--connect", "buffered_merge", "--write", "atomic_lua", "--processes", "1")
    done = ended(folder, CONSOLE, "run", *SMALL, *words, "--out", "measured", path=".")
    assert "buffered_merge x atomic_lua" in done.stdout


def test_python_m_chunk7_and_its_guarded_processes_do(tmp_path: Path) -> None:
    folder = project(tmp_path, *OURS)
    source = ROOT / "nodes" / "connect" / "buffered_merge.py"
    (folder / "own.py").write_text(source.read_text())
    words = ("-m", "chunk7", "explore", "--connect", "own.py:buffered_merge", "--write", "all")
    done = ended(folder, sys.executable, *words, path=".")
    assert "own.py:buffered_merge" in done.stdout


def test_a_script_measures_its_own_ordering_beside_a_folder_named_chunk7(tmp_path: Path) -> None:
    """The script of docs/python-api.md, in a current folder that has a `chunk7/` as well.

    Locust put that folder in front, and imported its `chunk7`.
    """
    page = (ROOT / "docs" / "python-api.md").read_text()
    [script] = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    path = tmp_path / "scripts" / "mine.py"
    path.parent.mkdir()
    path.write_text(script)
    folder = project(tmp_path / "here", "chunk7", *OURS)
    done = ended(folder, sys.executable, str(path))
    proved, measured = done.stdout.splitlines()
    assert proved == "lossless"
    assert measured.startswith("mine x atomic_lua")
    assert (folder / "measured" / "report.html").exists()


def test_the_command_works_beside_a_folder_named_chunk7(tmp_path: Path) -> None:
    folder = project(tmp_path, "chunk7", *OURS)
    assert ended(folder, CONSOLE, "--version").stdout.startswith("chunk7 ")
