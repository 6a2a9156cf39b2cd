"""Figures that show cells: what is drawn is what the table says."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from figure_kit import BUG, FIX, OWN, cut_off, frame, many, marks, named, rate, texts
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from wide_kit import rarely

from chunk7.analysis.figures.calibration import calibration
from chunk7.analysis.figures.faults import faults
from chunk7.analysis.figures.loss_rate import loss_rate
from chunk7.analysis.figures.over_time import over_time
from chunk7.analysis.figures.predicted import outside, predicted
from chunk7.analysis.figures.prices import PANELS, prices
from chunk7.analysis.figures.rows import group_rows
from chunk7.analysis.figures.style import shortened, to_svg
from chunk7.analysis.figures.windows import windows
from chunk7.analysis.recovery import FaultChunks, FaultResult, RecoveryTimes

NAN = float("nan")


def test_rows_are_grouped_under_their_connect_ordering_as_it_first_appears() -> None:
    rows = group_rows(["a", "b", "a"])
    assert rows.headings == {"a": 0, "b": 3}
    assert rows.at.tolist() == [1, 4, 2]
    assert rows.count == 5


# loss_rate


def test_a_loss_rate_is_a_full_mark_and_no_loss_a_hollow_one_with_its_bound() -> None:
    table = frame([rate(BUG, 54, 120, 0.364, 0.539), rate(FIX, 0, 120, 0.0, 0.031)])
    axes = loss_rate(table).axes[0]
    assert marks(axes) == [(0.45, 1.0, "o", True), (0.0, 3.0, "s", False)]
    ends = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "|"]
    assert ends == [[0.364, 0.539], [0.0, 0.031]]
    written = texts(axes)
    assert {"54/120", "45% (36% to 54%)", "0/120", "0 (at most 3.1%)"} <= set(written)
    assert [name for name in written if name in (BUG[0], FIX[0])] == [BUG[0], FIX[0]]


def test_a_cell_that_nobody_joined_says_so_and_has_no_mark() -> None:
    axes = loss_rate(frame([rate(BUG, 0, 0, 0, 1)])).axes[0]
    assert marks(axes) == []
    assert "no connections" in texts(axes)


def test_a_cell_of_which_most_is_undetermined_has_no_hollow_mark_of_a_kept_answer() -> None:
    table = frame([rate(FIX, 0, 120, 0.0, 0.031) | {"chunks_undetermined": 2_000}])
    axes = loss_rate(table).axes[0]
    assert marks(axes) == []
    assert "cannot be judged" in texts(axes)


# windows


def spread(cell: tuple[str, str], gaps: list[float]) -> pd.DataFrame:
    shares = np.linspace(0, 1, len(gaps))
    return pd.DataFrame({"share": shares, "gap_ms": gaps, "window_ms": gaps}).assign(**named(cell))


def lines_of(axes: Any) -> list[list[float]]:
    """Lines but the one at zero."""
    return [list(line.get_xdata()) for line in axes.lines if line.get_label()[0] != "_"]


def test_each_connect_ordering_has_a_panel_and_each_cell_a_line_from_least_to_greatest() -> None:
    other = (BUG[0], "atomic_lua")
    gaps = {BUG: [10, 11, 12], other: [5, 6, 7], FIX: [-7, -6, -5]}
    table = pd.concat([spread(cell, values) for cell, values in gaps.items()])
    panels = windows(table).axes
    assert [lines_of(panel) for panel in panels] == [[[10, 11, 12], [5, 6, 7]], [[-7, -6, -5]]]
    for panel in panels:
        assert panel.get_xlim() == pytest.approx((-12.96, 12.96))
    assert {"hole: chunks are missed →", "← overlap: chunks come twice"} <= set(texts(panels[0]))
    assert f"{FIX[1]}  -6.0" in texts(panels[1])
    assert panels[-1].get_xlabel() == "handover gap G = W + L (ms)"
    assert (
        len({line.get_linestyle() for line in panels[0].lines if line.get_label()[0] != "_"}) == 2
    )


def test_the_window_can_be_shown_in_place_of_the_gap() -> None:
    table = spread(BUG, [1, 2, 3]).assign(gap_ms=NAN)
    panel = windows(table, "window_ms").axes[0]
    assert lines_of(panel) == [[1, 2, 3]]
    assert panel.get_xlabel().startswith("risk window W")


def test_a_few_joins_far_from_all_others_do_not_flatten_the_rest() -> None:
    table = spread(BUG, [*range(1, 100), 5_000.0])
    panel = windows(table).axes[0]
    assert panel.get_xscale() == "symlog"
    assert panel.get_xlim()[1] > 5_000
    assert 0 in panel.get_xticks()


def test_a_cell_of_which_no_gap_is_known_has_no_line_and_says_so() -> None:
    panel = windows(spread(BUG, [NAN, NAN, NAN])).axes[0]
    assert lines_of(panel) == [[]]
    assert f"{BUG[1]}  none known" in texts(panel)


def test_streams_have_a_line_upright_at_zero() -> None:
    panel = windows(spread(BUG, [0.0, 0.0, 0.0])).axes[0]
    assert lines_of(panel) == [[0, 0, 0]]
    assert f"{BUG[1]}  +0.0" in texts(panel)


# predicted and calibration


def prediction(
    cell: tuple[str, str], kind: str, measured: int, predicted: float, low: float, high: float
) -> dict[str, Any]:
    return named(cell) | {"kind": kind, "measured": measured, "predicted": predicted,
                          "predicted_low": low, "predicted_high": high}  # fmt: skip


def three_kinds(*lost: dict[str, Any]) -> pd.DataFrame:
    others = [prediction(BUG, kind, 0, 0.0, 0.0, 0.0) for kind in ("fetched", "duplicate")]
    return frame([*lost, *others])


def test_measured_is_drawn_against_predicted_and_what_is_outside_is_ringed_and_named() -> None:
    table = three_kinds(
        prediction(BUG, "lost", 75, 71.7, 49.3, 93.8), prediction(FIX, "lost", 30, 1.2, 0.0, 6.8)
    )
    lost, fetched, _ = predicted(table).axes
    assert [mark[:3] for mark in marks(lost) if mark[3]] == [(71.7, 75, "o"), (1.2, 30, "s")]
    assert [mark[:2] for mark in marks(lost, "outside")] == [(1.2, 30)]
    assert "\n".join(FIX) in texts(lost)
    assert "\n".join(BUG) not in texts(lost)
    assert "1 of 1 cells:\nnone, as predicted" in texts(fetched)
    assert any(list(line.get_xdata()) == [49.3, 93.8] for line in lost.lines)


def test_an_interval_holds_its_ends() -> None:
    cells = frame([{"measured": m, "predicted_low": 1.0, "predicted_high": 3.0} for m in range(5)])
    assert outside(cells).tolist() == [True, False, False, False, True]


def test_bins_that_miss_the_law_are_crosses() -> None:
    row = {"kind": "lost", "connections": 50, "predicted": 0.5, "measured": 0.4, "low": 0.3}
    table = frame([row | {"high": 0.6}, row | {"high": 0.45, "connections": 10}])
    lost, fetched, _ = calibration(table).axes
    assert [mark[2] for mark in marks(lost, "fits")] == ["o"]
    assert [mark[2] for mark in marks(lost, "misses")] == ["X"]
    assert "60 connections" in texts(lost)
    assert marks(fetched) == []


# prices


def price(cell: tuple[str, str], **given: Any) -> dict[str, Any]:
    columns = [name for panel in PANELS for name in (panel.column, panel.p95) if name]
    return named(cell) | dict.fromkeys(columns) | given


def test_prices_have_their_numbers_and_what_is_missing_says_so() -> None:
    table = frame([price(BUG, duplicates=0.0, join_ms_p50=2.9, join_ms_p95=14.3),
                   price(FIX, duplicates=0.616)])  # fmt: skip
    panels = dict(zip([panel.column for panel in PANELS], prices(table).axes, strict=True))
    assert [bar.get_width() for bar in panels["duplicates"].patches] == [0, 0.616]
    assert texts(panels["duplicates"]).count("not measured") == 0
    assert {"0", "0.62"} <= set(texts(panels["duplicates"]))
    assert {"2.9, 14.3", "not measured"} <= set(texts(panels["join_ms_p50"]))
    assert marks(panels["join_ms_p50"]) == [(2.9, 1, "o", True)]
    assert texts(panels["commands_per_connection"]).count("not measured") == 2


# over_time


def moment(cell: tuple[str, str], at_s: float, lossy: int) -> dict[str, Any]:
    return named(cell) | {
        "at_s": at_s, "width_s": 2.0, "connections": 10, "lossy": lossy, "lost": lossy,
        "loss_rate": lossy / 10, "loss_rate_low": lossy / 20, "loss_rate_high": lossy / 10 + 0.2,
        "lost_expected": 1.0,
    }  # fmt: skip


def test_cells_are_bands_and_bins_are_marks_with_intervals() -> None:
    table = frame([moment(BUG, 1, 4), moment(BUG, 3, 0), moment(FIX, 7, 0)])
    axes = over_time(table).axes[0]
    bands = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    assert bands == [(0, 4), (6, 8)]
    assert axes.get_xlim() == (0, 8)
    drawn = [(list(line.get_xdata()), list(line.get_ydata()), line.get_markerfacecolor() == "white")
             for line in axes.lines]  # fmt: skip
    assert drawn == [([1], [0.4], False), ([3], [0.0], True), ([7], [0.0], True)]
    assert [BUG[1], FIX[1]] == [text for text in texts(axes) if text in (BUG[1], FIX[1])]


def test_a_run_that_nobody_joined_has_an_empty_figure() -> None:
    assert over_time(frame([moment(BUG, 1, 0)]).iloc[:0]).axes[0].lines[:] == []


def spans(*began_ended: tuple[float, float]) -> pd.DataFrame:
    rows = [
        {"name": "node_pause", "target": f"node-{k}", "began_s": began, "ended_s": ended}
        for k, (began, ended) in enumerate(began_ended)
    ]
    return pd.DataFrame(rows, columns=["name", "target", "began_s", "ended_s"])


def shaded(axes: Axes) -> list[tuple[float, float]]:
    """(from, to) of what is hatched, the time of faults."""
    return [
        (patch.get_x(), patch.get_x() + patch.get_width())
        for patch in axes.patches
        if patch.get_hatch()
    ]


def test_faults_are_shaded_where_they_lasted_and_explained() -> None:
    """One that is over before the first joined, or begins after the last, is not in the picture."""
    table = frame([moment(BUG, 1, 4), moment(BUG, 3, 0)])
    figure = over_time(table, spans((-5, -4), (1.5, 2.5), (3, 3), (9, 10)))
    assert shaded(figure.axes[0]) == [(1.5, 2.5), (3, 3)]
    assert figure.axes[0].get_xlim() == (0, 4)
    assert "a fault lasts" in texts(figure)


def test_a_run_without_faults_is_drawn_as_ever() -> None:
    table = frame([moment(BUG, 1, 4)])
    assert to_svg(over_time(table, spans())) == to_svg(over_time(table))
    assert "a fault lasts" not in texts(over_time(table))


# faults


def result(began_s: float, interrupted: int = 3, p50: float | None = 20.0) -> FaultResult:
    none = FaultChunks(expected=0, delivered=0, lost=0, undetermined=0, duplicate=0, causes={})
    times = RecoveryTimes(p50=p50, p50_low=10.0, p50_high=None, p95=90.0) if p50 else (
        RecoveryTimes()
    )  # fmt: skip
    return FaultResult(
        name="node_pause", target="node-1", connect=BUG[0], write=BUG[1], offset_ms=0.0,
        began_s=began_s, ended_s=began_s, visits=5, interrupted=interrupted, not_back=0,
        recovery_ms=times, within=none, outside=none,
    )  # fmt: skip


def never_came(*lost_undetermined: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"at_s": k + 0.5, "width_s": 1.0, "lost": lost, "undetermined": undetermined}
            for k, (lost, undetermined) in enumerate(lost_undetermined)
        ]
    )


def test_what_never_came_stands_in_its_bin_under_the_name_of_the_fault() -> None:
    figure = faults(never_came((0, 0), (3, 2), (0, 0)), spans((1, 2)), [result(1)])
    above, below = figure.axes
    bars = [(bar.get_x(), bar.get_y(), bar.get_height()) for bar in above.patches if
            bar.get_height() in (2, 3)]  # fmt: skip
    assert bars == [(1.0, 0, 3), (pytest.approx(1.05), 3, 2)]
    assert shaded(above) == shaded(below) == [(1, 2)]
    assert "node_pause node-0" in texts(above)


def test_recovery_is_a_mark_with_its_interval_and_its_p95() -> None:
    """The upper end is beyond what so few visits can bound: the line stops at the mark."""
    below = faults(never_came((1, 0), (0, 0)), spans((1, 2)), [result(1)]).axes[1]
    assert [mark[1:3] for mark in marks(below)] == [(20.0, "o"), (90.0, "_")]
    [line] = [found for found in below.collections if isinstance(found, LineCollection)]
    assert line.get_segments()[0].tolist() == [[1.0, 10.0], [1.0, 20.0]]


def test_a_strike_that_interrupted_nobody_is_hollow_and_one_without_return_is_a_cross() -> None:
    told = [result(1, interrupted=0, p50=None), result(2, p50=None)]
    below = faults(never_came((0, 0)), spans((1, 1), (2, 2)), told).axes[1]
    assert marks(below) == [(1.0, 0.0, "o", False), (2.0, 0.0, "x", False)]


def test_of_very_many_strikes_only_the_first_of_each_is_named() -> None:
    many_spans = spans(*[(float(k), k + 0.5) for k in range(60)]).assign(target="store")
    figure = faults(never_came(*[(1, 0)] * 60), many_spans, [result(k) for k in range(60)])
    assert texts(figure.axes[0]).count("node_pause store") == 1


# All of them


@pytest.mark.parametrize("count", [1, 4, rarely(40)])
def test_one_cell_or_forty_with_long_odd_names_are_drawn_to_the_end(count: int) -> None:
    cells = many(count)
    figures = [
        loss_rate(frame([rate(c, k % 3, 10 * (k != 3), 0, 0.3) for k, c in enumerate(cells)])),
        windows(pd.concat([spread(c, [-1, k, 20.0 * k]) for k, c in enumerate(cells)])),
        prices(frame([price(c, duplicates=1.0 * k) for k, c in enumerate(cells)])),
        predicted(frame([prediction(c, kind, k, 1, 0, 3) for k, c in enumerate(cells)
                         for kind in ("lost", "fetched", "duplicate")])),
        over_time(frame([moment(c, 2.0 * k, k % 3) for k, c in enumerate(cells)])),
        over_time(frame([moment(c, 2.0 * k, k % 3) for k, c in enumerate(cells)]), spans((0, 1))),
        faults(
            never_came(*[(k, 1) for k in range(count)]),
            spans(*[(float(k), k + 0.5) for k in range(count)]),
            [result(k) for k in range(count)],
        ),
    ]  # fmt: skip
    for figure in figures:
        assert to_svg(figure).endswith("</svg>\n")
        assert cut_off(figure) == []
    if count == 40:
        assert shortened(OWN[0], 48) in texts(figures[0])
