"""Figures look alike, leave nothing behind, and are written to the same bytes each time."""

import importlib
import re
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from figure_kit import BUG, FIX, frame, rate, texts
from matplotlib.figure import Figure

from chunk7.analysis.figures.loss_rate import loss_rate
from chunk7.analysis.figures.style import (
    CONNECT_STYLE,
    connect_styles,
    new_figure,
    percent,
    save,
    settings,
    shortened,
    to_svg,
)
from chunk7.analysis.report.pictures import FIGURES
from chunk7.delivery.errors import UsageError


@pytest.fixture(scope="module")
def table() -> object:
    return frame([rate(BUG, 3, 10, 0.1, 0.6), rate(FIX, 0, 10, 0.0, 0.3)])


@pytest.fixture(scope="module")
def figure(table: object) -> Figure:
    return loss_rate(table)


def test_every_figure_is_listed_under_its_own_name() -> None:
    for entry in FIGURES:
        module = importlib.import_module(f"chunk7.analysis.figures.{entry.name}")
        assert getattr(module, entry.name).__name__ == entry.name


def test_nothing_imports_pyplot() -> None:
    code = (
        "import sys, chunk7.analysis.report.pictures;"
        "from chunk7.analysis.figures.style import new_figure, to_svg;"
        "to_svg(new_figure(2, 1)[0]); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_drawing_leaves_the_callers_settings_alone_and_is_not_changed_by_them(
    table: object, figure: Figure
) -> None:
    usual = to_svg(figure)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        assert to_svg(loss_rate(table)) == usual
        assert dict(mpl.rcParams) == before


def test_threads_that_draw_take_turns() -> None:
    inside, seen = threading.Event(), []

    def draw() -> None:
        inside.set()
        with settings():
            seen.append("other")

    with settings():
        other = threading.Thread(target=draw)
        other.start()
        assert inside.wait(10)
        seen.append("first")
    other.join(10)
    assert seen == ["first", "other"]


def test_svg_is_the_same_each_time_dateless_and_its_text_is_text(
    figure: Figure, table: object
) -> None:
    svg = to_svg(figure)
    assert svg == to_svg(loss_rate(table))
    root = ElementTree.fromstring(svg)  # noqa: S314 - it is our own
    assert root.attrib["aria-label"] == "loss rate"
    written = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"publish_then_save", "connections that lost a chunk"} <= written
    assert "metadata" not in svg
    assert "Date" not in svg


def test_svgs_in_one_page_do_not_share_ids(figure: Figure) -> None:
    first, second = to_svg(figure), to_svg(new_figure(2, 1)[0])
    ids = [set(re.findall(r'\sid="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    referred = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', first)
    assert referred
    assert {one or other for one, other in referred} <= ids[0]


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_files_are_the_same_bytes_each_time(
    figure: Figure, tmp_path: Path, suffix: str, magic: bytes
) -> None:
    one, other = (save(figure, tmp_path / f"{k}{suffix}").read_bytes() for k in range(2))
    assert one == other
    assert one.startswith(magic)


def test_another_kind_of_file_is_refused(figure: Figure, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"figure\.jpg: a figure is written as \.png, \.svg or"):
        save(figure, tmp_path / "figure.jpg")


def test_a_notebook_shows_a_figure_by_itself(figure: Figure) -> None:
    assert figure._repr_svg_() == to_svg(figure)  # type: ignore[attr-defined]


def test_orderings_differ_in_colour_and_in_marker() -> None:
    styles = CONNECT_STYLE.values()
    assert len({s.colour for s in styles}) == len({s.marker for s in styles}) == len(styles)


def test_orderings_of_ones_own_have_styles_that_nobody_else_has() -> None:
    names = ["a.py:b", *CONNECT_STYLE, "c.py:d", "a.py:b", "e.py:f"]
    styles = connect_styles(names)
    assert list(styles) == list(dict.fromkeys(names))
    assert len({style.marker for style in styles.values()}) == len(styles)
    assert styles == connect_styles(names)


def test_long_names_keep_both_ends() -> None:
    assert shortened("orderings/mine.py:read", 40) == "orderings/mine.py:read"
    assert shortened("0123456789", 7) == "01…6789"


def test_percentages_have_two_digits_that_mean_something() -> None:
    shares = [0, 0.0001234, 0.00833, 0.0994, 0.0996, 0.45, 1]
    assert [percent(share) for share in shares] == [
        "0%", "0.012%", "0.83%", "9.9%", "10%", "45%", "100%",
    ]  # fmt: skip


def test_names_are_never_taken_for_formulas() -> None:
    figure, axes = new_figure(2, 1)
    with settings():
        axes.set_title("a$b$c_{d}")
    assert "a$b$c_{d}" in texts(figure)
    assert "a$b$c_{d}" in to_svg(figure)
