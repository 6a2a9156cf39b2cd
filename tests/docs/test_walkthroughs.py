"""Pages that lead through a job are followed: files written and changed, commands run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"<!-- (?P<kind>file|change|run|output)(: (?P<path>\S+))? -->\n```\w*\n(?P<text>.*?)^```$",
    re.M | re.S,
)
FOLDERS = [path.name for path in (ROOT / "chunk7").iterdir() if path.is_symlink()]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of all that is imported, to be changed, with the samples beside it."""
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("chunk7", *FOLDERS):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=ignored)
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    return tmp_path


@pytest.mark.parametrize(
    ("page", "outputs"),
    [("your-own-ordering.md", 3), ("your-own-client.md", 4), ("extending.md", 4)],
)
def test_a_page_does_what_it_says(checkout: Path, page: str, outputs: int) -> None:
    blocks = BLOCK.finditer((ROOT / "docs" / page).read_text())
    assert len([*followed(blocks, checkout)]) == outputs


def followed(blocks: Iterator[re.Match[str]], folder: Path) -> Iterator[str]:
    """Do what each block says; the outputs that were as shown."""
    printed = ""
    for block in blocks:
        text = block["text"]
        if block["kind"] == "file":
            assert not (folder / block["path"]).exists()
            (folder / block["path"]).write_text(text)
        elif block["kind"] == "change":
            change(folder / block["path"], text)
        elif block["kind"] == "run":
            printed = chunk7(folder, *shlex.split(text))
        else:
            assert text.strip() in printed
            yield text


def change(path: Path, difference: str) -> None:
    """Apply a difference, whose parts are separated by `...`; what a part starts from is unique."""
    for part in difference.split("...\n"):
        lines = part.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        content = path.read_text()
        assert content.count(old) == 1, old
        path.write_text(content.replace(old, new))


def chunk7(folder: Path, program: str, *words: str) -> str:
    """What the command of the copied checkout prints."""
    assert program == "chunk7"
    done = subprocess.run(
        [sys.executable, "-P", "-m", "chunk7", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
