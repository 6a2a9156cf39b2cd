"""Write Python's answers into the pages' `pycon` blocks: `python -m docs.make_examples`.

For after a change of the samples: read the difference before you commit it. A page is one session,
in the checkout's folder; tests/docs/test_python_blocks.py holds the pages to what this writes.
"""

import contextlib
import doctest
import io
import re
import sys
import tempfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(?<=^```pycon\n).*?(?=^```$)", re.M | re.S)
DISPLAY = ("display.width", 100, "display.max_columns", 20)
"""How wide pandas prints."""


def main() -> int:
    """Fill in every page of the docs that has such blocks."""
    for page in sorted(ROOT.glob("docs/*.md")):
        text = page.read_text()
        if BLOCK.search(text):
            page.write_text(filled(text))
    return 0


def filled(text: str) -> str:
    """The page with its answers. What raises must already say what."""
    names: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch, pd.option_context(*DISPLAY):
        Path(scratch, "notebooks").symlink_to(ROOT / "notebooks")
        with contextlib.chdir(scratch):  # an example may write
            return BLOCK.sub(lambda block: _answered(block[0], names), text)


def _answered(block: str, names: dict[str, object]) -> str:
    lines: list[str] = []
    for part in doctest.DocTestParser().parse(block):
        if isinstance(part, str):  # lines between two examples
            lines += part.splitlines()
            continue
        first, *others = part.source.rstrip("\n").split("\n")
        lines += [f">>> {first}", *(f"... {line}" for line in others)]
        lines += (part.want if part.exc_msg else _said(part.source, names)).splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _said(source: str, names: dict[str, object]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(source, "example", "single"), names)  # noqa: S102
    return said.getvalue()


if __name__ == "__main__":
    sys.exit(main())
