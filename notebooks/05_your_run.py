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
# # Your run
#
# Point this notebook at a run folder of yours: set `CHUNK7_RUN` before starting Jupyter, or write
# the path into the next cell. Everything that chunk7 knows about the run follows, with a word on
# how to read it. The other notebooks explain more, and take the same variable.

# %%
import os

import pandas as pd
from IPython.display import display

from chunk7 import conclusion, open_study, proof, tables, timelines
from chunk7.analysis.figures.connection import connection
from chunk7.analysis.figures.loss_rate import loss_rate
from chunk7.analysis.figures.over_time import over_time
from chunk7.analysis.figures.predicted import predicted
from chunk7.analysis.figures.prices import prices
from chunk7.analysis.figures.windows import windows
from chunk7.analysis.fits import fits

pd.options.display.precision = 2

RUN = os.environ.get("CHUNK7_RUN", "sample_run")
study = open_study(RUN)

# %% [markdown]
# ## May it be believed?
#
# A run that is not valid says why, a line a reason. Its numbers stand below all the same, to find
# out what happened, but nothing should be concluded from them.
#
# | reason | what to do |
# |---|---|
# | a process's event loop was late; joins or chunks came after their plan | the machine could not keep up: fewer `--users`, a lower `--chunk-rate`, `--processes 2`, or nothing else running beside it |
# | records have no end | a process was killed or crashed: see `logs/PART.log` in the run folder |
# | connections never opened | see `logs/locust.log` and the nodes' logs; the proxy's or the system's limits on connections |
# | too many chunks undetermined | clients left early or the run is too short: a longer `--duration` |
# | clock offsets vary | hosts whose clocks drift: synchronise them, or run on one host |
# | accounts do not cross-foot, an answer before its question | records contradict each other: please report it as a bug of chunk7 |
#
# Every reason and its limit is in docs/verdicts.md.

# %%
print("valid" if study.summary.valid else "NOT VALID")
for reason in study.summary.invalid_because:
    print("-", reason)

# %% [markdown]
# How the processes fared. `loop_lag_ms` is how late an event loop was: the first place to look when
# a run is not valid.

# %%
tables.processes(study).set_index("process")

# %% [markdown]
# ## What came out

# %%
for result in study.summary.results:
    print(conclusion(result), proof(result), end="\n\n")

# %%
loss_rate(tables.cells(study))

# %% [markdown]
# ## Does the law explain it?
#
# `disagrees` means that something beside the handover lost or doubled chunks: the causes below say
# what lost them. An ordering that fetches may double a few that the law leaves out, when the answer
# crosses a chunk still on its way.

# %%
predicted(tables.predicted(study))

# %%
columns = ["kind", "measured", "expected", "low", "high", "verdict"]
fits(study).set_index("name")[columns]

# %% [markdown]
# ## The lost chunks
#
# At most ten of them; `study.losses` has all.

# %%
study.losses[["name", "connection_id", "session_id", "seq", "cause", "published_s"]].head(10)

# %%
study.losses.groupby(["name", "cause"], sort=False).size().rename("lost chunks").to_frame()

# %% [markdown]
# The connection to look at first (01_the_race explains the figure); for another one, put its
# `connection_id` in.

# %%
if study.connections.empty:
    print("nobody connected")
else:
    connection_id = timelines.typical(study)
    display(connection(timelines.connection_timeline(study, connection_id)))

# %% [markdown]
# ## Windows, prices, and the course of the run

# %%
windows(tables.windows(study))

# %%
prices(tables.prices(study))

# %%
over_time(tables.over_time(study))
