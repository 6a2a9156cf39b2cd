"""One lost chunk: how it fell between the history that was read and the subscription."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chunk7.analysis.figures import handover
from chunk7.analysis.figures.style import (
    BLACK,
    BODY_PT,
    GREY,
    SMALL_PT,
    WIDTH_IN,
    figure_function,
    new_figure,
    shortened,
)
from chunk7.delivery.verdicts import Cause

CHANNEL, HISTORY = 0.0, 1.0
"""Lanes, from the top."""

IN_WORDS = {
    Cause.HANDOVER_GAP: "published between the read and the subscription",
    Cause.SAVE_LAG: "saved after the read, published before the subscription",
    Cause.UNCONFIRMED_SUBSCRIBE: "published before SUBSCRIBE, sent in time, took effect",
    Cause.STORE_RECONNECT: "published while the node had lost its store",
    Cause.STORE_REPLACED: "another server took the store's place, and had less",
    Cause.DEAF_NODE: "published while the node was subscribed and heard nothing",
    Cause.STALE_READ: "saved before the read, which a late replica answered",
    Cause.SLOW_CLIENT: "cut off, because the client did not keep up",
    Cause.TRIMMED: "already trimmed when the history was read",
    Cause.TAIL: "the last, so that nothing later could show the hole",
    Cause.NODE_GONE: "the node went while the client still wanted it",
    Cause.UNKNOWN: "none of the known causes fits the records",
}
"""By cause, what happened to the chunk."""


@figure_function
def lost_chunk(loss: Mapping[str, Any], instants: Mapping[str, Any]) -> Figure:
    """A chunk's way from channel to history, past what the client got of either.

    `loss`: a row of `Study.losses`; `instants`: the same row of `timelines.loss_instants`.
    Green is what the client got; bars are how uncertain an instant is.
    """
    figure, axes = new_figure(WIDTH_IN, 1.7)
    axes.set_title(f"{_who(loss)}: {IN_WORDS[Cause(loss['cause'])]}", loc="left", fontsize=BODY_PT)
    read, subscribe, publish, save = (
        tuple(float(instants[f"{name}{end}_ms"]) for end in ("", "_least", "_most"))
        for name in ("read", "subscribe", "publish", "save")
    )
    first_ms, last_ms = _view((read[0], subscribe[0], publish[0], save[0]))
    axes.set_xlim(first_ms, last_ms)
    axes.set_ylim(HISTORY + 0.5, CHANNEL - 1.35)
    axes.set_yticks([CHANNEL, HISTORY], ["channel", "history"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("time since the client began to connect (ms)")
    for lane in (CHANNEL, HISTORY):
        axes.axhline(lane, color="#CCCCCC", linewidth=0.6, zorder=1)
    handover.shade_window(axes, read[0], subscribe[0])
    handover.cover(axes, HISTORY, first_ms, read[0], "in the history")
    closed_ms = float(instants["closed_ms"])
    handover.cover(axes, CHANNEL, subscribe[0], np.fmin(closed_ms, last_ms), "received live")
    handover.chunk(axes, (CHANNEL, HISTORY), publish, save, lost=True)
    _draw_steps(axes, {"T1 read": read, "T4 subscribed": subscribe}, publish[0], save[0])
    _tell_end(axes, closed_ms)
    return figure


def _who(loss: Mapping[str, Any]) -> str:
    node = f", {shortened(loss['node'], 16)}" if isinstance(loss["node"], str) else ""
    return f"chunk {loss['seq']}, connection {loss['connection_id']}{node}"


def _view(instants_ms: tuple[float, ...]) -> tuple[float, float]:
    """All that is known, and a third more on either side."""
    known = [at for at in instants_ms if not np.isnan(at)] or [0.0]
    margin = max((max(known) - min(known)) / 3, 1.0)
    return min(known) - margin, max(known) + margin


def _draw_steps(
    axes: Any, steps: dict[str, tuple[float, ...]], publish_ms: float, save_ms: float
) -> None:
    said = []
    for text, bounds in steps.items():
        if not np.isnan(bounds[0]):
            lane = HISTORY if text.startswith("T1") else CHANNEL
            axes.plot([bounds[0]] * 2, [CHANNEL - 0.4, lane], color=BLACK, linewidth=1.0, zorder=2)
            handover.instant(axes, lane, bounds, "|", BLACK, text)
            said.append((bounds[0], text))
    said += [
        (at, text)
        for at, text in ((publish_ms, "T2 published"), (save_ms, "T3 saved"))
        if not np.isnan(at)
    ]
    handover.label_above(axes, CHANNEL - 0.3, said)


def _tell_end(axes: Any, closed_ms: float) -> None:
    if np.isnan(closed_ms):
        text = "no end of the connection on record"
    elif closed_ms <= axes.get_xlim()[1]:
        axes.axvline(closed_ms, color=GREY, linestyle=":", linewidth=1.0)
        text = f"connection ended at {closed_ms:,.0f} ms (dotted)"
    else:
        text = f"connection ended at {closed_ms:,.0f} ms →"
    axes.annotate(text, (1, 0), (0, -24), xycoords="axes fraction", textcoords="offset points",
                  ha="right", fontsize=SMALL_PT, color=GREY, style="italic")  # fmt: skip
