"""A field case: a bug that somebody really shipped, as cells to explore."""

from dataclasses import dataclass
from pathlib import Path

from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@dataclass(frozen=True, slots=True)
class Variant:
    """One form that the code had, or should have. `what` says it in half a sentence.

    `fails` are all the ways in which some schedule of the cell fails; the first is drawn.
    """

    name: str
    what: str
    cell: ExploreCell
    fails: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class FieldCase:
    """A public report, told by its variants: the bug first, then what was done about it.

    `story` is Markdown, in our own words; `links` are the reports and changes that it was read in.
    `live` are commands that show the bug on a real store, where it was tried.
    """

    name: str
    title: str
    links: tuple[str, ...]
    story: str
    variants: tuple[Variant, ...]
    live: tuple[str, ...] = ()


def variant(name: str, what: str, cell: ExploreCell, *fails: Failure) -> Variant:
    """A variant that fails in these ways, or in none."""
    return Variant(name, what, cell, fails)


def story_of(file: str) -> str:
    """The text of story.md beside a case's file."""
    return (Path(file).parent / "story.md").read_text().strip()
