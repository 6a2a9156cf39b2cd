"""Write docs/field-cases.md: every verdict on it is computed here.

python docs/make_field_cases.py
"""

from pathlib import Path

from chunk7.commands.explore import cores
from chunk7.museum import page
from chunk7.simulator.explore.search import SearchLimits


def main() -> None:
    """Explore, and write."""
    file = Path(__file__).with_name("field-cases.md")
    file.write_text(page(SearchLimits(), cores()))
    print(f"wrote {file.name}")  # noqa: T201


if __name__ == "__main__":
    main()
