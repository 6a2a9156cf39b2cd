"""Figures of one connection and of one lost chunk: instants where the table has them."""

import re
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from figure_kit import cut_off, marks, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from chunk7.analysis.figures.connection import CHANNEL, CLIENT, HISTORY, NODE, connection, view
from chunk7.analysis.figures.lost_chunk import IN_WORDS, lost_chunk
from chunk7.analysis.figures.style import HOLE, OVERLAP, to_svg
from chunk7.delivery.verdicts import Cause

NAN = float("nan")


def event(
    event: str, at: float, seq: int = 0, lost: bool = False, off: float = 0.0
) -> dict[str, Any]:
    return {"at_ms": at, "least_ms": at - off, "most_ms": at + off, "event": event,
            "label": "", "seq": seq, "lost": lost}  # fmt: skip


def timeline(*more: dict[str, Any], read: float = 2, subscribe: float = 8) -> pd.DataFrame:
    """A join that takes 10 ms, and who leaves after five seconds."""
    events = [
        event("opens", 0), event("accepted", 1), event("read", read, off=0.5),
        event("subscribe", subscribe, off=0.25), event("history", 3), event("welcome", 10),
        event("leaves", 5_000), *more,
    ]  # fmt: skip
    return pd.DataFrame(events).dropna(subset="at_ms").sort_values("at_ms", ignore_index=True)


def bars(axes: Axes) -> list[tuple[list[float], float]]:
    """How uncertain: ([least, most], lane)."""
    return [
        (list(line.get_xdata()), float(line.get_ydata()[0]))
        for line in axes.lines
        if line.get_label() == "uncertainty"
    ]


def shades(axes: Axes) -> list[tuple[float, float, str]]:
    return [
        (patch.get_x(), patch.get_x() + patch.get_width(), to_hex(patch.get_facecolor()).upper())
        for patch in axes.patches
    ]


def covers(axes: Axes) -> list[tuple[float, float, float]]:
    """(from, to, lane) of what the client gets."""
    boxes = [fill.get_datalim(axes.transData) for fill in axes.collections]
    return [(box.x0, box.x1, (box.y0 + box.y1) / 2) for box in boxes]


def test_every_lane_has_its_events_where_they_happened() -> None:
    axes = connection(timeline(event("live", 15, 7))).axes[0]
    at = {name: [mark[:2] for mark in marks(axes, name)] for name in
          ("opens", "accepted", "read", "subscribe", "history", "welcome", "live")}  # fmt: skip
    assert at == {
        "opens": [(0, CLIENT)], "accepted": [(1, NODE)], "read": [(2, NODE)],
        "subscribe": [(8, NODE)], "history": [(3, CLIENT)], "welcome": [(10, CLIENT)],
        "live": [(15, CLIENT)],
    }  # fmt: skip
    assert bars(axes) == [([1.5, 2.5], NODE), ([7.75, 8.25], NODE)]
    assert {"T1 reads history", "T4 subscribes", "T5 first live chunk 7"} <= set(texts(axes))
    assert "later: leaves at 5,000 ms →" in texts(axes)


def test_the_window_is_shaded_as_the_hole_or_the_overlap_that_it_is() -> None:
    hole, overlap = connection(timeline()), connection(timeline(read=8, subscribe=2))
    assert shades(hole.axes[0]) == [(2, 8, HOLE)]
    assert shades(overlap.axes[0]) == [(2, 8, OVERLAP)]
    assert "risk window +6.0 ms: hole" in texts(hole)
    assert "risk window -6.0 ms: overlap" in texts(overlap)


def test_a_lost_chunk_lies_outside_of_what_the_client_gets_and_is_named_in_both_lanes() -> None:
    chunks = [event("publish", 4, 6, True), event("save", 6, 6, True, off=0.5),
              event("publish", -3, 5), event("save", -1, 5)]  # fmt: skip
    axes = connection(timeline(*chunks)).axes[0]
    first, last = axes.get_xlim()
    assert covers(axes) == [(first, 2, HISTORY), (8, last, CHANNEL)]
    assert marks(axes, "publish") == [(-3, CHANNEL, "o", True), (4, CHANNEL, "X", True)]
    assert marks(axes, "save") == [(-1, HISTORY, "o", True), (6, HISTORY, "X", True)]
    assert ([5.5, 6.5], HISTORY) in bars(axes)
    written = texts(axes)
    assert {"T2 chunk 6 lost", "T3 chunk 6 lost"} <= set(written)
    assert written.count("5") == 2


def test_no_two_parts_of_a_drawing_have_one_id() -> None:
    chunks = [event(kind, seq, seq) for seq in (3, 4, 5) for kind in ("publish", "save")]
    ids = re.findall(r'\sid="([^"]+)"', to_svg(connection(timeline(*chunks))))
    assert len(ids) == len(set(ids)) > 0


def test_chunks_lost_together_are_named_together() -> None:
    chunks = [
        event(kind, at + seq / 10, seq, True)
        for seq in (6, 7, 8, 9, 10)
        for kind, at in (("publish", 3), ("save", 5))
    ]
    written = texts(connection(timeline(*chunks)))
    assert {"T2 5 chunks from 6 lost", "T3 5 chunks from 6 lost"} <= set(written)


def test_who_reads_a_stream_reads_on_and_misses_nothing() -> None:
    axes = connection(timeline(read=2, subscribe=NAN)).axes[0]
    assert covers(axes) == [(*axes.get_xlim(), HISTORY)]
    assert shades(axes) == []


def test_what_is_far_away_is_told_and_not_drawn() -> None:
    far = [event("publish", 4_000, 9, True), event("save", 4_001, 9, True),
           event("fetched", 4_100, 8), event("live", 90, 7)]  # fmt: skip
    table = timeline(*far)
    assert view(table) == (-3.5, 13.5)
    told = "later: T5 first live chunk at 90 ms, leaves at 5,000 ms, 1 fetched, 1 lost →"
    assert told in texts(connection(table))


def test_a_connection_of_which_only_the_opening_is_known_is_drawn() -> None:
    figure = connection(pd.DataFrame([event("opens", 0)]))
    assert to_svg(figure)
    assert cut_off(figure) == []


def instants(**given: float) -> dict[str, float]:
    """(estimate -+ 0.25 ms) of what is given; the connection ends at 5 s."""
    ends = {"": 0.0, "_least": -0.25, "_most": 0.25}
    names = ("read", "subscribe", "publish", "save")
    return {
        f"{name}{end}_ms": given.get(name, NAN) + off for name in names for end, off in ends.items()
    } | {"closed_ms": given.get("closed", 5_000.0)}


def loss(cause: Cause, node: Any = "node-1") -> dict[str, Any]:
    return {"seq": 6, "connection_id": 11, "node": node, "cause": cause.value}


def test_a_lost_chunk_is_drawn_between_history_and_subscription_with_its_cause_in_words() -> None:
    figure = lost_chunk(loss(Cause.HANDOVER_GAP), instants(read=2, publish=4, save=6, subscribe=8))
    axes = figure.axes[0]
    assert marks(axes, "publish") == [(4, 0, "X", True)]
    assert marks(axes, "save") == [(6, 1, "X", True)]
    assert shades(axes) == [(2, 8, HOLE)]
    assert covers(axes) == [(0, 2, 1), (8, 10, 0)]
    assert sorted(bars(axes)) == [([1.75, 2.25], 1), ([3.75, 4.25], 0), ([5.75, 6.25], 1),
                                  ([7.75, 8.25], 0)]  # fmt: skip
    assert {"T1 read", "T2 published", "T3 saved", "T4 subscribed"} <= set(texts(axes))
    assert "chunk 6, connection 11, node-1: published between the read and the subscription" in (
        texts(axes)
    )
    assert "connection ended at 5,000 ms →" in texts(axes)


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_words_that_fit_above_the_figure(cause: Cause) -> None:
    assert len(IN_WORDS[cause]) <= 58


def test_what_is_not_on_record_is_not_drawn() -> None:
    figure = lost_chunk(loss(Cause.UNKNOWN, np.nan), instants(closed=NAN))
    assert to_svg(figure)
    assert cut_off(figure) == []
    assert marks(figure.axes[0]) == []
    assert "no end of the connection on record" in texts(figure)
    assert "chunk 6, connection 11: none of the known causes fits the records" in texts(figure)


def test_nothing_is_received_live_after_the_connections_end() -> None:
    figure = lost_chunk(
        loss(Cause.NODE_GONE, "a-node-with-quite-a-long-name.example"),
        instants(read=2, subscribe=3, publish=400, save=401, closed=390),
    )
    to_svg(figure)
    axes = figure.axes[0]
    assert covers(axes)[1] == (3, 390, 0)
    assert "connection ended at 390 ms (dotted)" in texts(axes)
    assert cut_off(figure) == []


# labels

JOIN = ("accepted", "read", "subscribe", "history", "welcome")


@settings(max_examples=6, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=len(JOIN), max_size=len(JOIN)), st.floats(0, 10))
def test_no_two_labels_touch_however_close_their_instants(at: list[float], lost_at: float) -> None:
    """Two rows of labels had no air between them, and a number stood on "in the history"."""
    join = [event(name, when) for name, when in zip(JOIN, at, strict=True)]
    chunks = [event(name, lost_at + k, 7, lost=True) for k, name in enumerate(("publish", "save"))]
    later = [event(name, 20.0 + k, 8) for k, name in enumerate(("publish", "save"))]
    table = pd.DataFrame([event("opens", 0), *join, *chunks, *later])
    assert touching(connection(table.sort_values("at_ms", ignore_index=True))) == []


def test_no_two_labels_of_a_lost_chunk_touch() -> None:
    close = {"read": 2.0, "subscribe": 2.4, "publish": 2.2, "save": 2.6}
    assert touching(lost_chunk(loss(Cause.SAVE_LAG), instants(**close))) == []


def touching(figure: Figure) -> list[tuple[str, str]]:
    """Labels with less than a point and a half between them, or three from side to side."""
    FigureCanvasAgg(figure).draw()
    point = figure.dpi / 72
    found = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found]
    return [
        (a, b)
        for (a, one), (b, other) in combinations(boxes, 2)
        if one.x0 - 3 * point < other.x1
        and other.x0 - 3 * point < one.x1
        and one.y0 - 1.5 * point < other.y1
        and other.y0 - 1.5 * point < one.y1
    ]
