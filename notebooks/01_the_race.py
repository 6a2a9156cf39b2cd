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
# # The race
#
# A chat server keeps two copies of an answer that is still being written: a **history** for whoever
# comes later, and a **channel** for whoever is there. A relay node that serves a newcomer needs
# both: it reads the history, and it subscribes to the channel. These are two commands, and the
# producer goes on writing in between.
#
# This notebook follows one client of a real run, instant by instant, until the chunk that it never
# got is no riddle any more, and then states the law that says how many chunks every ordering must
# lose.

# %%
import os

import pandas as pd
from IPython.display import display

from chunk7 import open_study, tables, timelines
from chunk7.analysis.figures.calibration import calibration
from chunk7.analysis.figures.connection import connection
from chunk7.analysis.figures.lost_chunk import lost_chunk
from chunk7.analysis.figures.predicted import predicted
from chunk7.analysis.fits import fits

pd.options.display.precision = 2

study = open_study(os.environ.get("CHUNK7_RUN", "sample_run"))
print(f"{len(study.connections)} connections, {len(study.losses)} lost chunks")
print("valid" if study.summary.valid else study.summary.invalid_because)

# %% [markdown]
# ## One connection
#
# `typical` picks a connection that lost a chunk between its node's two commands (if the run has
# none, any connection that lost a chunk, or else any at all). Time runs from the moment the client
# began to open its connection. The labels are those of the bug report that chunk7 began with:
#
# | label | who | what |
# |---|---|---|
# | T1 | node | reads the history |
# | T2 | producer | publishes a chunk: Pub/Sub hands it to whoever is subscribed, and forgets it |
# | T3 | producer | saves the chunk to the history |
# | T4 | node | subscribes |
# | T5 | node | forwards the first live chunk |

# %%
connection_id = timelines.typical(study)
timeline = timelines.connection_timeline(study, connection_id)
client = study.connections.set_index("connection_id").loc[connection_id]
print(client["name"], "on", client["node"], "lost", client["lost"])
connection(timeline)

# %% [markdown]
# The same as a table. What the store executed is known to lie between the command and its answer
# (`least_ms`, `most_ms`); `at_ms` is the middle. `seq` counts the chunks of the answer from 1.

# %%
timeline

# %% [markdown]
# ## Why a chunk is lost
#
# A client gets a chunk in one of two ways: in the history, if the chunk was **saved before the
# read**, or live, if it was **published after the subscription**. It loses exactly the chunks for
# which both fail:
#
# > published before the subscription, and saved after the read.
#
# Compare the columns for the chunks that this client lost: `publish_ms` is less than
# `subscribe_ms`, and `save_ms` is greater than `read_ms`. `receivers` is what the store answered to
# PUBLISH: other clients of the session may well have been listening.

# %%
lost = study.losses.index[study.losses["connection_id"] == connection_id]
instants = timelines.loss_instants(study).loc[lost]
columns = ["read_ms", "publish_ms", "save_ms", "subscribe_ms", "receivers"]
study.losses.loc[lost, ["seq", "cause"]].join(instants[columns])

# %% [markdown]
# The same, drawn. A chunk goes from the channel to the history (or the other way round, if its
# producer saves first). Green is what the client got of either; a lost chunk passes both by.

# %%
for row in lost:
    display(lost_chunk(study.losses.loc[row], instants.loc[row]))

# %% [markdown]
# `handover_gap` is the race of the bug report: published between read and subscription. `save_lag`
# is its lesser-known sister: the chunk was published before the read, and saved after it. The
# history did not have it yet, the channel did not have it any more. No order of the node's two
# commands helps against `save_lag`; the producer must save first, or do both in one step.

# %% [markdown]
# ## The law
#
# Two signed durations say it all:
#
# - for a connection, the **risk window** W = (subscription) - (history read);
# - for a chunk, the **save lag** L = (saved) - (published).
#
# Their sum is the **handover gap** G = W + L. If G > 0 there is a hole: on average, chunk rate x G
# chunks are lost. If G < 0 there is an overlap: on average, chunk rate x |G| chunks come twice.
# Swapping the node's two commands turns the sign of W. Swapping the producer's two turns the sign
# of L. An ordering is safe when its G cannot be positive.

# %%
client[["window_ms", "gap_ms", "lost", "lost_expected"]].to_frame().T

# %% [markdown]
# `lost_expected` is what the law says for this connection: the chunks that a client would lose on
# average that joins at a random moment of its time slot and meets the same delays. One connection
# loses a whole number of chunks, so the law is to be held against many connections:

# %%
cells = tables.cells(study)
columns = ["window_ms_p50", "gap_ms_p50", "chunks_lost", "chunks_lost_predicted"]
cells.set_index("name")[columns]

# %% [markdown]
# Medians of W and G stand beside what was lost and what the law expects. `sequence_gap_fill` has
# holes like any other (G > 0), but its client notices the missing number and fetches the chunk, so
# nothing is lost; `buffered_merge` removes what came twice before the client sees it.
#
# In the figure each mark is a pair of orderings, the bar is the 95% interval of the prediction, and
# on the diagonal law and measurement are the same. What lies outside its interval has a ring and a
# name: one in twenty may by chance, and for duplicates there is a cause that the law leaves out, a
# fetch that crosses a chunk still on its way. `fits` gives the verdict, corrected for how many are
# judged: `agrees`, `disagrees`, or `no evidence` where too little was expected to tell.

# %%
predicted(tables.predicted(study))

# %%
law = fits(study)
columns = ["measured", "expected", "low", "high", "verdict"]
law[law["kind"] == "lost"].set_index("name")[columns]

# %% [markdown]
# The law also speaks of single connections: some it expects to lose more than others, because of
# when they came and how long their node took. Here connections that it treats alike are put
# together, whatever their orderings. If the law is right, the bars cross the diagonal, but for one
# in twenty.

# %%
calibration(tables.calibration(study))
