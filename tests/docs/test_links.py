"""Pages point only at what is there: pages, headings, folders, pictures."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")]
)  # fmt: skip
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]*\ssrc=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.M)
ELSEWHERE = ("http://", "https://", "mailto:")


def links(page: Path) -> list[str]:
    """Targets within the repository."""
    found = [a or b for a, b in LINK.findall(CODE.sub("", page.read_text()))]
    return [target for target in found if not target.startswith(ELSEWHERE)]


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_resolves(page: Path) -> None:
    broken = []
    for target in links(page):
        file, _, heading = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        if not place.exists() or (heading and heading not in anchors(place)):
            broken.append(target)
    assert not broken


def test_a_broken_link_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One heading\n[a](gone.md) `[b](code.md)` ![c](gone.png) [d](#one-heading)\n"
        "```\n# no heading\n[e](block.md)\n```\n[f](https://example.org)\n"
    )
    assert links(page) == ["gone.md", "gone.png", "#one-heading"]
    assert anchors(page) == {"one-heading"}


def test_every_picture_is_shown_somewhere() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    pictures = {path.resolve() for path in (ROOT / "docs" / "pictures").glob("*.*")}
    assert pictures <= shown
