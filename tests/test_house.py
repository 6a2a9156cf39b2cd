"""What keeps the house easy to walk through: names that stand for one thing, classes of a size."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from test_imports import FILES, ROOT

MOST_LINES = 200


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """(file, class) of every class at the top of a module."""
    for path in FILES.values():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                yield str(path.relative_to(ROOT)), node


def test_no_two_public_classes_share_a_name() -> None:
    files = defaultdict(list)
    for file, node in classes():
        if not node.name.startswith("_"):
            files[node.name].append(file)
    assert {name: found for name, found in files.items() if len(found) > 1} == {}


def test_no_class_is_longer_than_can_be_read_in_one_go() -> None:
    lengths = {f"{file} {n.name}": (n.end_lineno or 0) - n.lineno + 1 for file, n in classes()}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_a_mark_of_a_cluster_stands_in_the_file_whose_tests_have_it() -> None:
    """`make test-clusters` collects only files that name one; another's tests would run nowhere."""
    marks = re.compile(r"mark\.(live|clocked|docker|gallery)\b")
    kits = [path for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith("test_")]
    assert kits
    assert [path.name for path in kits if marks.search(path.read_text())] == []
