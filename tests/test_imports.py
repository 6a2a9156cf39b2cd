"""Imports run one way, down the table of docs/architecture.md."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"delivery", "wire", "simulator", "nodes", "producer", "loadtest", "analysis", "cluster"}
ALLOWED = {
    "delivery": set(),
    "wire": {"delivery"},
    "simulator": {"delivery"},
    "nodes": {"delivery", "wire"},
    "producer": {"delivery", "wire"},
    "loadtest": {"delivery", "wire"},
    "analysis": {"delivery", "wire"},
    "cluster": OURS,
}


def imported(path: Path) -> set[str]:
    """Top-level names that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("folder", sorted(OURS))
def test_a_folder_imports_only_what_is_below_it(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        above = (imported(path) & OURS) - ALLOWED[folder] - {folder}
        assert not above, f"{path.relative_to(ROOT)} imports {above}"


def test_delivery_needs_the_standard_library_only() -> None:
    for path in (ROOT / "delivery").glob("*.py"):
        foreign = imported(path) - sys.stdlib_module_names - {"delivery"}
        assert not foreign, f"{path.name} imports {foreign}"


@pytest.mark.parametrize("folder", ["nodes/connect", "producer/write"])
def test_orderings_import_the_vocabulary_only(folder: str) -> None:
    for path in (ROOT / folder).glob("[!_]*.py"):
        assert imported(path) == {"delivery"}, path.name


def test_analysis_never_imports_locust() -> None:
    for path in (ROOT / "analysis").rglob("*.py"):
        assert "locust" not in imported(path), path.name
