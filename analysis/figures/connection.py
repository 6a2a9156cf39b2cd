"""One connection's handover, T1 to T5."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from chunk7.analysis.figures import handover
from chunk7.analysis.figures.style import (
    BLACK,
    BLUE,
    GREY,
    SMALL_PT,
    VERMILLION,
    WIDTH_IN,
    figure_function,
    new_figure,
)

CLIENT, NODE, CHANNEL, HISTORY = 0.0, 1.0, 2.0, 3.0
"""Lanes, from the top."""

LANES = ("client", "node", "store: channel\n(published)", "store: history\n(saved)")

AROUND = 0.35
"""How much is shown on either side of the handover, in handovers."""

FAR = 3.0
"""What happens so many handovers away is told, not drawn."""

LEAST_SHOWN_MS = 2.0

SAID = {
    "opens": "connects", "accepted": "accepts", "history": "gets history", "welcome": "welcome",
    "live": "T5 first live chunk", "fetched": "fetched", "leaves": "leaves",
}  # fmt: skip


@figure_function
def connection(timeline: pd.DataFrame) -> Figure:
    """Lanes for client, node and store, and each chunk's way from channel to history.

    `timeline`: `timelines.connection_timeline`. Shows the handover and what is close to it, and
    tells in words what came later. Green is what the client gets of either lane of the store.
    """
    figure, axes = new_figure(WIDTH_IN, 3.1)
    span = first_ms, last_ms = view(timeline)
    read, subscribe = (_bounds(timeline, event) for event in ("read", "subscribe"))
    axes.set_xlim(*span)
    axes.set_ylim(HISTORY + 0.7, CLIENT - 1.0)
    axes.set_yticks([CLIENT, NODE, CHANNEL, HISTORY], LANES)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("time since the client began to connect (ms)")
    for lane in (CLIENT, NODE, CHANNEL, HISTORY):
        axes.axhline(lane, color="#CCCCCC", linewidth=0.6, zorder=1)
    handover.shade_window(axes, read[0], subscribe[0])
    follows = np.isnan(subscribe[0]) and (timeline["event"] == "welcome").any()
    # A stream has no channel: who has read it reads on from there.
    read_up_to, source = (last_ms, "stream") if follows else (read[0], "history")
    handover.cover(axes, HISTORY, first_ms, read_up_to, f"in the {source}")
    end_ms = np.fmin(_bounds(timeline, "leaves")[0], last_ms)
    handover.cover(axes, CHANNEL, subscribe[0], end_ms, "received live")
    _name_window(axes, subscribe[0] - read[0], (subscribe[0] + read[0]) / 2)
    shown = timeline[timeline["at_ms"].between(*span)]
    _draw_client(axes, shown[shown["event"].isin(("opens", "history", "welcome", "live",
                                                  "fetched", "leaves"))])  # fmt: skip
    _draw_node(axes, shown, read, subscribe)
    _draw_chunks(axes, timeline, span)
    _tell_later(axes, timeline[timeline["at_ms"] > last_ms])
    return figure


def view(timeline: pd.DataFrame) -> tuple[float, float]:
    """From when to when is drawn, in ms: the handover, what it lost, and a little around."""
    joins = ("opens", "accepted", "read", "subscribe", "history", "welcome")
    of_join = timeline.loc[timeline["event"].isin(joins), "at_ms"]
    first, last = (of_join.min(), of_join.max()) if len(of_join) else (0.0, 0.0)
    length = max(last - first, LEAST_SHOWN_MS)
    wanted = timeline["lost"].astype(bool) | (timeline["event"] == "live")
    near = timeline.loc[wanted, "at_ms"]
    near = near[near.between(first - FAR * length, last + FAR * length)]
    first, last = min(first, near.min()), max(last, near.max())  # NaN of none is never less
    margin = AROUND * max(last - first, LEAST_SHOWN_MS)
    return float(first - margin), float(last + margin)


def _bounds(timeline: pd.DataFrame, event: str, seq: int = 0) -> tuple[float, float, float]:
    """(estimate, least, most) in ms; NaN when it did not happen."""
    rows = timeline[(timeline["event"] == event) & (timeline["seq"] == seq)]
    if rows.empty:
        return (np.nan, np.nan, np.nan)
    row = rows.iloc[0]
    return (float(row["at_ms"]), float(row["least_ms"]), float(row["most_ms"]))


def _draw_client(axes: Any, events: pd.DataFrame) -> None:
    said = []
    for event in events.to_dict("records"):
        axes.plot(event["at_ms"], CLIENT, "o", color=BLUE, zorder=4, label=event["event"])
        number = f" {event['seq']}" if event["seq"] else ""
        said.append((event["at_ms"], f"{SAID[event['event']]}{number}"))
    handover.label_above(axes, CLIENT, said)


def _draw_node(
    axes: Any,
    shown: pd.DataFrame,
    read: tuple[float, float, float],
    subscribe: tuple[float, float, float],
) -> None:
    said = []
    for at in shown.loc[shown["event"] == "accepted", "at_ms"]:
        axes.plot(at, NODE, "o", color=BLACK, zorder=4, label="accepted")
        said.append((at, SAID["accepted"]))
    for bounds, lane, event, text in (
        (read, HISTORY, "read", "T1 reads history"),
        (subscribe, CHANNEL, "subscribe", "T4 subscribes"),
    ):
        if not np.isnan(bounds[0]):
            axes.plot([bounds[0]] * 2, [NODE, lane], color=BLACK, linewidth=1.0, zorder=2)
            handover.instant(axes, NODE, bounds, "|", BLACK, event)
            said.append((bounds[0], text))
    handover.label_above(axes, NODE, said)


def _name_window(axes: Any, window_ms: float, at_ms: float) -> None:
    if np.isnan(window_ms):
        return
    kind = "hole" if window_ms > 0 else "overlap"
    axes.text(at_ms, HISTORY + 0.66, f"risk window {window_ms:+.1f} ms: {kind}", ha="center",
              fontsize=SMALL_PT, color=GREY, style="italic")  # fmt: skip


def _draw_chunks(axes: Any, timeline: pd.DataFrame, span: tuple[float, float]) -> None:
    chunks = timeline[timeline["event"].isin(("publish", "save"))]
    marks: dict[str, list[tuple[float, int, bool]]] = {"publish": [], "save": []}
    for seq, rows in chunks.groupby("seq"):
        lost = bool(rows["lost"].any())
        bounds = {event: _bounds(rows, event, int(seq)) for event in marks}
        handover.chunk(axes, (CHANNEL, HISTORY), bounds["publish"], bounds["save"], lost)
        for event, placed in marks.items():
            if span[0] <= bounds[event][0] <= span[1]:
                placed.append((bounds[event][0], int(seq), lost))
    _number(axes, CHANNEL, 9, "T2", marks["publish"])
    # What the filling is called stands there, too, in small letters: in the history.
    named = (span[0], handover.per_character(axes) * 13)
    _number(axes, HISTORY, -9, "T3", marks["save"], [named])


def _number(
    axes: Any,
    lane: float,
    shift_pt: float,
    step: str,
    marks: list[tuple[float, int, bool]],
    beside: Sequence[tuple[float, float]] = (),
) -> None:
    """Numbers by the chunks; the lost first, close ones together, others where there is room.

    `beside`: (middle, half its width) of what else stands there, in ms.
    """
    per_char = handover.per_character(axes)
    lost: list[tuple[float, list[int]]] = []
    for at, seq, _ in sorted(mark for mark in marks if mark[2]):
        if lost and at - lost[-1][0] < 18 * per_char:
            lost[-1][1].append(seq)
        else:
            lost.append((at, [seq]))
    taken = [*beside]
    named = [(at, f"{step} {_chunks(seqs)} lost", True) for at, seqs in lost]
    named += [(at, str(seq), False) for at, seq, is_lost in marks if not is_lost]
    for at, text, is_lost in named:
        half = per_char * (len(text) + 1) / 2
        if not is_lost and any(abs(at - other) < half + width for other, width in taken):
            continue
        taken.append((at, half))
        axes.annotate(
            text, (at, lane), (0, shift_pt), textcoords="offset points", ha="center", va="center",
            fontsize=SMALL_PT, color=VERMILLION if is_lost else GREY, zorder=5,
            fontweight="bold" if is_lost else "normal",
        )  # fmt: skip


def _chunks(seqs: list[int]) -> str:
    if len(seqs) == 1:
        return f"chunk {seqs[0]}"
    if len(seqs) <= 3:
        return f"chunks {', '.join(map(str, seqs))}"
    return f"{len(seqs)} chunks from {seqs[0]}"


def _tell_later(axes: Any, later: pd.DataFrame) -> None:
    """What is beyond the right edge, in one line."""
    told = [
        f"{SAID[event['event']]} at {event['at_ms']:,.0f} ms"
        for event in later.to_dict("records")
        if event["event"] in ("live", "leaves")
    ]
    fetched = int((later["event"] == "fetched").sum())
    lost = later.loc[later["lost"].astype(bool), "seq"].nunique()
    told += [f"{fetched} fetched"] * (fetched > 0) + [f"{lost} lost"] * (lost > 0)
    if told:
        axes.text(
            1, 1, f"later: {', '.join(told)} →", transform=axes.transAxes, ha="right", va="bottom",
            fontsize=SMALL_PT, color=GREY, style="italic",
        )  # fmt: skip
