"""The figure of a sweep, from literal tables: what is drawn, and how doubtful points look."""

from typing import Any

import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chunk7.analysis.figures.factors import factors
from chunk7.analysis.figures.style import to_svg

BUG = ("history_then_subscribe", "publish_then_save")
FIX = ("buffered_merge", "atomic_lua")
UNITS = {
    "chunk-rate": "chunks/s",
    "store-latency": "ms",
    "node-work": "ms",
    "concurrent-joins": "users",
}


def row(
    factor: str,
    value: float,
    by: str,
    cell: tuple[str, str] = BUG,
    rate: float | None = 0.25,
    valid: bool = True,
) -> dict[str, Any]:
    """A point whose interval is its rate give or take 0.05."""
    return {
        "factor": factor,
        "value": value,
        "unit": UNITS.get(factor, "things"),
        "by": by,
        "connect": cell[0],
        "write": cell[1],
        "loss_rate": rate,
        "loss_rate_low": None if rate is None else max(0.0, rate - 0.05),
        "loss_rate_high": None if rate is None else rate + 0.05,
        "valid": valid,
    }


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    """Rates as floats, as `read_sweep` gives them."""
    rates = dict.fromkeys(("loss_rate", "loss_rate_low", "loss_rate_high"), "float64")
    return pd.DataFrame(list(rows)).astype(rates)


def live_points(figure: Figure, panel: int = 0) -> list[tuple[float, float, str]]:
    """(value, rate, label) of the live markers of a panel."""
    return [
        (float(x), float(y), str(container.get_label()))
        for container in figure.axes[panel].containers
        if isinstance(container, ErrorbarContainer)
        for x, y in zip(*marker_line(container).get_data(), strict=True)
    ]


def marker_line(container: ErrorbarContainer) -> Line2D:
    line = container.lines[0]
    assert isinstance(line, Line2D)
    return line


def legend_of(figure: Figure) -> list[str]:
    [legend] = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_each_factor_has_a_panel_with_its_unit() -> None:
    figure = factors(table(*(row(factor, 1, "live") for factor in UNITS)))
    assert [panel.get_xlabel() for panel in figure.axes] == [
        "chunk rate, chunks/s per session",
        "store latency, ms each way",
        "node work between its two steps, ms",
        "users that join while answers stream",
    ]
    assert {panel.get_ylabel() for panel in figure.axes} == {"connections that lost a chunk", ""}


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (2, 2), (3, 3)])
def test_fewer_factors_have_fewer_panels(count: int, shown: int) -> None:
    figure = factors(table(*(row(factor, 1, "live") for factor in list(UNITS)[:count])))
    assert sum(panel.axison for panel in figure.axes) == shown


def test_live_points_are_markers_and_simulated_ones_a_line_with_a_band() -> None:
    figure = factors(
        table(
            row("node-work", 10, "live", rate=0.3),
            row("node-work", 20, "simulation", rate=0.5),
            row("node-work", 0, "simulation", rate=0.1),
        )
    )
    [panel] = figure.axes
    assert live_points(figure) == [(10, 0.3, "live")]
    [line] = [line for line in panel.lines if line.get_label() == "simulation"]
    assert [tuple(map(float, point)) for point in line.get_xydata()] == [(0, 0.1), (20, 0.5)]
    assert any(isinstance(band, PolyCollection) for band in panel.collections)
    assert legend_of(figure) == [
        "history_then_subscribe x publish_then_save",
        "live run, 95% interval",
        "simulation (line), 95% interval",
    ]


def test_a_live_point_that_is_not_valid_is_hollow() -> None:
    figure = factors(
        table(
            row("node-work", 0, "live", rate=0.1),
            row("node-work", 10, "live", rate=0.9, valid=False),
        )
    )
    faces = {
        container.get_label(): marker_line(container).get_markerfacecolor()
        for container in figure.axes[0].containers
        if isinstance(container, ErrorbarContainer)
    }
    assert faces["not valid"] == "white"
    assert faces["live"] != "white"
    assert sorted(live_points(figure)) == [(0, 0.1, "live"), (10, 0.9, "not valid")]
    assert "live run that is not valid" in legend_of(figure)


def test_a_simulated_point_that_is_not_valid_is_crossed() -> None:
    figure = factors(
        table(row("node-work", 0, "simulation"), row("node-work", 9, "simulation", valid=False))
    )
    [crossed] = [line for line in figure.axes[0].lines if line.get_label() == "doubtful"]
    assert [float(x) for x in crossed.get_xdata()] == [9]
    assert "simulation by a run that is not valid" in legend_of(figure)


def test_a_point_without_a_rate_is_left_out() -> None:
    figure = factors(table(row("node-work", 0, "live"), row("node-work", 5, "live", rate=None)))
    assert live_points(figure) == [(0, 0.25, "live")]


def test_cells_differ_in_colour_and_in_marker_even_with_one_connect_ordering() -> None:
    cells = [BUG, FIX, (BUG[0], "atomic_lua"), (BUG[0], "save_then_publish")]
    figure = factors(table(*(row("node-work", 0, "live", cell) for cell in cells)))
    markers = [
        marker_line(c) for c in figure.axes[0].containers if isinstance(c, ErrorbarContainer)
    ]
    assert len({line.get_marker() for line in markers}) == len(cells)
    assert len({str(line.get_color()) for line in markers}) == len(cells)


def test_a_wide_range_of_values_is_drawn_on_a_logarithmic_axis() -> None:
    doubled = factors(table(*(row("chunk-rate", v, "live") for v in (5, 10, 80))))
    from_zero = factors(table(*(row("node-work", v, "live") for v in (0, 10, 80))))
    assert doubled.axes[0].get_xscale() == "log"
    assert from_zero.axes[0].get_xscale() == "linear"
    assert [text.get_text() for text in doubled.axes[0].get_xticklabels()] == ["5", "10", "80"]


def test_the_legend_has_cells_in_its_first_column_and_kinds_in_its_second() -> None:
    points = [row(name, 0, by) for name in ("node-work", "moon") for by in ("live", "simulation")]
    assert legend_of(factors(table(*points))) == [
        "history_then_subscribe x publish_then_save",
        " ",
        "live run, 95% interval",
        "simulation (line), 95% interval",
    ]


def test_an_unknown_factor_is_labelled_with_its_name_and_unit() -> None:
    assert factors(table(row("moon", 1, "live"))).axes[0].get_xlabel() == "moon, things"


def test_an_empty_table_gives_an_empty_figure() -> None:
    empty = table(row("node-work", 0, "live")).iloc[:0]
    figure = factors(empty)
    assert [panel.axison for panel in figure.axes] == [False]


def test_the_same_table_gives_the_same_picture() -> None:
    points = table(row("node-work", 0, "live"), row("node-work", 0, "simulation"))
    assert to_svg(factors(points)) == to_svg(factors(points))
