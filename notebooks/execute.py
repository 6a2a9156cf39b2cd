"""Execute the notebooks' sources, NN_NAME.py, into NN_NAME.ipynb: `python -m notebooks.execute`.

Each runs in a kernel of its own, in this folder, on the sample run; `CHUNK7_RUN` names another.
What would differ at every execution (times, random cell ids, who executed) is not kept, so that
executing twice gives the same file.
"""

import os
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
TIMEOUT_S = 120
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def sources() -> list[Path]:
    """The notebooks to execute, in reading order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def execute(source: Path, run: Path | None = None) -> Any:
    """The notebook of a source with its outputs; `run` instead of the sample run.

    Raises nbclient's CellExecutionError when a cell does.
    """
    notebook = read(source)
    env = {**os.environ, "CHUNK7_RUN": str(run)} if run else dict(os.environ)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": HERE}},
        extra_arguments=["--log-level=ERROR"],  # no warning that loopback is not encrypted
    )
    client.execute(env=env)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata = {**notebook.metadata, "language_info": {"name": "python"}}
    return notebook


def read(source: Path) -> Any:
    """The notebook of a source, not executed, with cell ids by position."""
    notebook = jupytext.read(source)
    for position, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{position}"
    pairing = {"formats": "ipynb,py:percent"}
    notebook.metadata = {"jupytext": pairing, "kernelspec": KERNEL}
    return notebook


def main() -> int:
    """Execute all, or those whose names are given."""
    wanted = sys.argv[1:]
    for source in sources():
        if not wanted or source.stem in wanted:
            nbformat.write(execute(source), source.with_suffix(".ipynb"))
            sys.stderr.write(f"{source.stem}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
