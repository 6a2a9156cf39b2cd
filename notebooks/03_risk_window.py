# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The risk window
#
# The risk window W lies between two instants of one join: its subscription took effect, less its
# history was read. The handover gap G adds the producer's save lag L, and decides: G > 0 is a hole,
# in which chunks are lost; G < 0 an overlap, in which they come twice. This notebook shows how both
# are distributed, and what the four factors that the bug report names do to the losses.

# %%
import os
from pathlib import Path

import pandas as pd

from chunk7 import open_study, read_sweep, tables
from chunk7.analysis.figures.factors import factors
from chunk7.analysis.figures.windows import windows

pd.options.display.precision = 2

study = open_study(os.environ.get("CHUNK7_RUN", "sample_run"))
print("valid" if study.summary.valid else study.summary.invalid_because)

# %% [markdown]
# ## The window
#
# Each line is a cumulative distribution: it shows, for every width, the share of the joins whose
# window is no wider. Who reads first has W > 0, who subscribes first has W < 0. A stream has one
# cursor for both, so W = 0. How wide the window is depends on what the node does between its two
# commands, and on how long the store takes to answer.

# %%
windows(tables.windows(study), "window_ms")

# %% [markdown]
# ## The gap
#
# The same joins, with the median save lag of their session added. A producer that publishes first
# moves the lines to the right, one that saves first to the left, and one that does both in one step
# leaves them where they are. What lies right of zero loses chunks. That is how an ordering which
# subscribes first can lose: its W is negative, but if L is greater than |W|, G is not.

# %%
windows(tables.windows(study))

# %% [markdown]
# Quantiles, of the raw values:

# %%
columns = [f"{name}_ms_{p}" for name in ("window", "gap") for p in ("p50", "p95", "p99")]
tables.cells(study).set_index("name")[columns]

# %% [markdown]
# ## The four factors
#
# The bug report names four things that make the losses worse: more chunks a second, a slower store,
# nodes that are slow under load, and more clients that join at the same time. `chunk7 sweep` varies
# one of them at a time and leaves the others where they are. Points are live runs with their 95%
# intervals, hollow where the machine could not keep up and the run says that it is not valid. Lines
# are simulations of the same cluster, with 95% bands.

# %%
sweep = read_sweep(Path(os.environ.get("CHUNK7_SWEEP", "sample_sweep")))
factors(sweep)

# %% [markdown]
# The law says what to expect of each panel:
#
# - **Chunk rate.** Rate x G chunks fall into the gap, so the losses grow with it, as long as G > 0.
# - **Store latency.** It delays each command's effect. A producer that waits for the answer to PUBLISH
#   before it saves has a longer save lag L; one that does both in one step does not. A node's two
#   commands are delayed alike, but the second waits for the answer to the first.
# - **Node work** between the two commands widens |W|. It hurts who reads first. Who subscribes first
#   it even helps: its W is negative, and becomes more so.
# - **Concurrent joins** widen nobody's gap by themselves: the same share of more clients loses
#   something, unless the node becomes slower under the load.

# %%
columns = ["factor", "value", "unit", "by", "connect", "write", "connections", "loss_rate"]
sweep[[*columns, "gap_ms_p50", "valid"]]
