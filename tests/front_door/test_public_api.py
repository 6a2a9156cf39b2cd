"""What `import chunk7` offers, and what it does not load for it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chunk7

ROOT = Path(__file__).parents[2]
HEAVY = {"IPython", "aiohttp", "jinja2", "locust", "matplotlib", "msgspec", "numpy", "pandas",
         "pyarrow", "rich", "scipy"}  # fmt: skip


def loaded(code: str) -> set[str]:
    """Modules that a fresh interpreter has after the code."""
    code = f"{code}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_every_public_name_is_there_and_can_be_listed() -> None:
    assert all(hasattr(chunk7, name) for name in chunk7.__all__)
    assert dir(chunk7) == chunk7.__all__
    with pytest.raises(AttributeError, match="module 'chunk7' has no attribute 'nothing'"):
        _ = chunk7.nothing  # type: ignore[attr-defined]


def test_type_checkers_and_interpreters_are_told_the_same() -> None:
    tree = ast.parse((ROOT / "chunk7" / "__init__.py").read_text())
    typed = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("chunk7.")
        for alias in node.names
    }
    assert typed == chunk7._HOME


def test_importing_it_costs_nothing() -> None:
    """Nodes, producer and Locust import it, too: whatever it loaded, each would keep."""
    assert loaded("import chunk7") & HEAVY == set()


def test_looking_at_a_run_loads_nothing_that_draws_fits_or_loads() -> None:
    code = "import chunk7; chunk7.open_study; chunk7.tables; chunk7.timelines"
    assert loaded(code) & HEAVY & {"IPython", "jinja2", "locust", "matplotlib", "scipy"} == set()


def test_what_only_records_loads_no_pandas_by_way_of_a_folder() -> None:
    """`analysis/__init__.py` used to import all of it, and who read a manifest had pandas."""
    assert "pandas" not in loaded("import chunk7.analysis.manifest")


def test_the_page_on_it_names_all_of_it() -> None:
    page = (ROOT / "docs" / "python-api.md").read_text()
    words = set(re.findall(r"\w+", page))
    assert words >= set(chunk7.__all__)
