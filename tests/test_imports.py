"""Imports run one way, down the table of docs/architecture.md; late and typing-only ones count."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "delivery": set(),
    "wire": {"delivery"},
    "faults": {"delivery", "wire"},
    "simulator": {"delivery", "wire", "faults"},
    "nodes": {"delivery", "wire", "faults"},
    "producer": {"delivery", "wire", "faults"},
    "loadtest": {"delivery", "wire", "faults"},
    "analysis": {"delivery", "wire"},
}
ALLOWED["field_cases"] = {"delivery", "faults", "simulator", "nodes", "producer"}
ALLOWED["instruments"] = {*ALLOWED}
ALLOWED["cluster"] = {*ALLOWED}
ALLOWED["chunk7"] = {*ALLOWED}


def module_of(path: Path) -> str:
    """A file's module, below the import root `chunk7`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "chunk7" else ("chunk7", *parts))


FILES = {
    module_of(path): path
    for folder in ALLOWED
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not any(parent.is_symlink() for parent in path.parents)
}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in FILES else str(node.module)


def folder_of(module: str) -> str:
    """The folder at the top that a module of ours is in; for others their first name."""
    first, _, rest = module.partition(".")
    below = rest.partition(".")[0]
    return below if first == "chunk7" and below in ALLOWED else first


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_what_is_below_it(folder: str) -> None:
    for module, path in FILES.items():
        if folder_of(module) == folder:
            ours = {folder_of(name) for name in imported(path)} & ALLOWED.keys()
            above = ours - ALLOWED[folder] - {folder}
            assert not above, f"{path.relative_to(ROOT)} imports {above}"


def test_no_file_imports_itself_by_way_of_others() -> None:
    """A package's `__init__` counts where something is taken from it, not for being above."""
    arrows = {module: {*imported(path)} & FILES.keys() for module, path in FILES.items()}
    while leaves := {module for module, below in arrows.items() if not below}:
        arrows = {m: below - leaves for m, below in arrows.items() if m not in leaves}
    assert not arrows, f"in a circle, or above one: {sorted(arrows)}"


def test_everything_is_imported_below_one_root() -> None:
    """`import analysis` would work in this folder, as another module than `chunk7.analysis`."""
    for path in [*FILES.values(), *(ROOT / "tests").rglob("*.py"), *ROOT.glob("*/*.py")]:
        names = {name.partition(".")[0] for name in imported(path)}
        assert not names & (ALLOWED.keys() - {"chunk7"}), path.relative_to(ROOT)


def test_delivery_needs_the_standard_library_only() -> None:
    for module, path in FILES.items():
        if folder_of(module) == "delivery":
            foreign = {name.partition(".")[0] for name in imported(path)} - {"chunk7"}
            assert foreign <= sys.stdlib_module_names, path.name


@pytest.mark.parametrize("folder", ["nodes/connect", "producer/write"])
def test_orderings_import_the_vocabulary_only(folder: str) -> None:
    for path in (ROOT / folder).glob("[!_]*.py"):
        assert {folder_of(name) for name in imported(path)} == {"delivery"}, path.name


def test_analysis_never_imports_locust() -> None:
    for module, path in FILES.items():
        if folder_of(module) == "analysis":
            assert "locust" not in {name.partition(".")[0] for name in imported(path)}, module


def test_processes_that_only_record_never_import_pandas() -> None:
    """Nor do they use what does: tests/wire/test_records.py."""
    for module, path in FILES.items():
        if folder_of(module) in {"delivery", "wire", "faults", "nodes", "producer", "loadtest"}:
            assert "pandas" not in {name.partition(".")[0] for name in imported(path)}, module
