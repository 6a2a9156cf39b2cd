"""docs/your-own-ordering.md is executed: files written, commands run, outputs compared."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "your-own-ordering.md"
BLOCK = re.compile(r"<!-- (file: (?P<file>\S+)|run|output) -->\n```\w*\n(?P<text>.*?)```", re.S)


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    shown: list[str] = []
    compared = 0
    for block in BLOCK.finditer(PAGE.read_text()):
        if block["file"]:
            (tmp_path / block["file"]).write_text(block["text"])
        elif "<!-- run" in block[0]:
            program, *arguments = shlex.split(block["text"])
            assert program == "chunk7"
            done = subprocess.run(
                [sys.executable, "-m", "chunk7", *arguments],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            shown.append(done.stdout)
        else:
            assert block["text"].strip() in shown[-1]
            compared += 1
    assert (len(shown), compared) == (3, 3)
