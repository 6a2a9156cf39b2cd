"""What `import analysis` offers, and what it does not load for it."""

import subprocess
import sys
from pathlib import Path

from chunk7 import analysis

ROOT = Path(__file__).parents[2]
HEAVY = {"IPython", "jinja2", "locust", "matplotlib", "scipy"}


def test_every_public_name_is_there_and_stands_in_order() -> None:
    assert sorted(analysis.__all__) == analysis.__all__
    assert all(hasattr(analysis, name) for name in analysis.__all__)


def test_importing_it_loads_nothing_that_draws_fits_or_loads() -> None:
    code = f"import sys, analysis; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_page_on_it_uses_or_names_the_main_ones() -> None:
    page = (ROOT / "docs" / "python-api.md").read_text()
    for name in ("open_study", "load_run", "judge", "compare_runs", "compare_orderings"):
        assert name in analysis.__all__
        assert f"`{name}`" in page or f"{name}(" in page
