"""Whether the law is said to fit a run, cell by cell and kind by kind."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from story import Story, ns

from chunk7.analysis.fits import fits
from chunk7.analysis.manifest import Traits
from chunk7.analysis.prediction import KINDS
from chunk7.analysis.study import open_study
from chunk7.wire.plan import Cell

CELLS = [Cell("history_then_subscribe", "atomic_lua"), Cell("sequence_gap_fill", "atomic_lua")]


def made_up(columns: list[dict[str, Any]], cells: list[Cell] = CELLS) -> Any:
    """As much of a Study as a fit needs; what a cell does not say about a kind is 0."""
    names = [kind + end for kind in KINDS for end in ("", "_expected", "_variance", "_least",
                                                      "_most")]  # fmt: skip
    frames = [
        pd.DataFrame(dict.fromkeys(names, 0.0) | given, index=np.arange(200)).assign(cell=cell)
        for cell, given in enumerate(columns)
    ]
    traits = {
        cell.connect: Traits(fills_gaps=cell.connect == "sequence_gap_fill") for cell in cells
    }
    manifest = SimpleNamespace(traits=traits, plan=SimpleNamespace(cells=cells))
    return SimpleNamespace(run=SimpleNamespace(manifest=manifest), connections=pd.concat(frames))


def predicted(kind: str, mean: float, off: float = 0.0) -> dict[str, float]:
    return {
        f"{kind}_expected": mean, f"{kind}_variance": mean, f"{kind}_least": mean - off,
        f"{kind}_most": mean + off,
    }  # fmt: skip


def test_a_law_that_holds_agrees_and_one_that_does_not_disagrees() -> None:
    lost = {"lost": np.arange(200) % 2, **predicted("lost", 0.5)}
    fetched = {"fetched": np.arange(200) % 2, **predicted("fetched", 0.1)}
    table = fits(made_up([lost, fetched])).set_index(["connect", "kind"])
    assert table["verdict"].to_dict() == {
        ("history_then_subscribe", "lost"): "agrees",
        ("history_then_subscribe", "duplicate"): "agrees",
        ("sequence_gap_fill", "lost"): "agrees",
        ("sequence_gap_fill", "fetched"): "disagrees",
    }  # whose duplicates are not the law's: a fetch that crosses its chunk doubles it
    row = table.loc[("history_then_subscribe", "lost")]
    assert (row["name"], row["connections"]) == ("history_then_subscribe x atomic_lua", 200)
    assert (row["measured"], row["expected"], row["ratio"]) == (100, 100, 1.0)
    assert row["low"] < 85 < 115 < row["high"]
    assert row["ratio_low"] < 0.85 < 1.15 < row["ratio_high"]
    assert np.isnan(table.loc[("sequence_gap_fill", "lost"), "ratio"])


def test_instants_that_are_uncertain_excuse_what_they_can() -> None:
    lost = {"lost": np.arange(200) % 2, **predicted("lost", 0.3, off=0.25)}
    assert fits(made_up([lost], CELLS[:1]))["verdict"].tolist() == ["agrees", "agrees"]


def test_a_loss_where_none_is_possible_disagrees() -> None:
    assert fits(made_up([{"lost": [1] + [0] * 199}], CELLS[:1]))["verdict"][0] == "disagrees"


def test_what_may_be_chance_among_so_many_is_no_evidence() -> None:
    """p is 0.03 for one of forty rows: 40 x 0.03 is no reason to disagree."""
    cells = [Cell(f"connect{k}", "write") for k in range(20)]
    lost = {"lost": np.arange(200) < 123, **predicted("lost", 0.5)}
    table = fits(made_up([lost] + [{}] * 19, cells))
    assert 0.01 < table["p_value"][0] < 0.05
    assert table["p_adjusted"][0] > 0.4
    assert table["verdict"][0] == "no evidence"


def test_joins_whose_instants_are_unknown_are_left_out() -> None:
    unknown = np.where(np.arange(200) < 50, np.nan, 0.5)
    lost = {"lost": np.arange(200) % 2, **predicted("lost", 0.5), "lost_expected": unknown}
    row = fits(made_up([lost], CELLS[:1])).iloc[0]
    assert (row["connections"], row["measured"], row["expected"]) == (150, 75, 75)


def test_a_real_folder_and_one_in_which_nobody_joined(tmp_path: Path) -> None:
    """Ten chunks in a hole of 10 ms, lost by each of two joins: certain but for the edges."""
    empty = fits(open_study(Story(tmp_path / "empty").end()))
    assert empty["verdict"].tolist() == ["no evidence", "no evidence"]
    story = Story(tmp_path / "run")
    for seq in range(1, 201):
        story.chunk(seq, seq)
    for number in (1, 2):
        received = [(seq + 1, seq) for seq in (*range(1, 36), *range(46, 201))]
        story.connection(number, received, open_ms=30)
        story.join(number, (35, 35), (45, 45), accepted_ns=ns(31))
    lost, doubled = fits(open_study(story.end())).to_dict("records")
    assert (lost["connections"], lost["measured"], lost["expected"]) == (2, 20, pytest.approx(20))
    assert (lost["verdict"], doubled["verdict"]) == ("agrees", "agrees")
