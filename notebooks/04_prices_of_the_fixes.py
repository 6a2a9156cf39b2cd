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
# # The prices of the fixes
#
# Every ordering that keeps all chunks pays for it somewhere: in chunks that come twice or out of
# order, in a later start for the client, in the store's memory, or in commands that the store has
# to execute.

# %%
import os

import pandas as pd

from chunk7 import compare_orderings, open_study, tables
from chunk7.analysis.figures.prices import prices

pd.options.display.precision = 2

study = open_study(os.environ.get("CHUNK7_RUN", "sample_run"))
table = tables.prices(study)
print("valid" if study.summary.valid else study.summary.invalid_because)

# %% [markdown]
# ## All prices
#
# | price | paid by | what it is |
# |---|---|---|
# | duplicates, out of order, fetched | the client | chunks per connection that it has to drop, to sort, or to ask for |
# | join | the client | from opening the connection until the history is there: median, and p95 |
# | chunk latency | the client | from the producer's publication to the client, of live chunks |
# | store memory | the store | bytes per chunk that it keeps |
# | commands | the store | what it executes for a connection, and for a chunk |
#
# Read it together with the loss rates (02_loss_rates): a price is only worth paying for an ordering
# that keeps all chunks.

# %%
prices(table)

# %%
table.drop(columns=["connect", "write"]).set_index("name")

# %% [markdown]
# ## Duplicates and disorder
#
# Who subscribes first gets the chunks of the overlap twice, once live and once in the history. If
# live chunks go straight to the client, those that come before the history are also out of order:
# the history that follows has lower numbers. The client must de-duplicate on (message_id, index)
# and sort. `buffered_merge` holds live chunks back until the history is sent and drops what the
# history had, so its client sees neither. `sequence_gap_fill` pays in fetches instead: one for each
# hole.
#
# The law says how many duplicates there must be, too. It knows only the handover: the few
# duplicates of a fetch that crosses a chunk still on its way are beyond it.

# %%
law = tables.predicted(study)
columns = ["measured", "predicted", "predicted_low", "predicted_high"]
law[law["kind"] == "duplicate"].set_index("name")[columns]

# %% [markdown]
# ## The start
#
# An ordering that has to wait for the confirmation of its subscription before it reads starts
# later, by that wait and by whatever the node does between its two commands. The same joins,
# compared one by one with the first pair of orderings (A): `difference` is the median of A - B in
# ms, and the verdict is corrected for the number of comparisons.

# %%
baseline = study.summary.results[0].name
pairs = compare_orderings(study, baseline=baseline)
print("A is", baseline)
columns = ["value_a", "value_b", "difference", "low", "high", "verdict"]
pairs[pairs["metric"] == "join_ms"].set_index("b")[columns]

# %% [markdown]
# ## The store
#
# `memory_bytes_per_chunk` is what the store itself reports for the histories or streams of the run,
# over their chunks. `commands_per_connection` are the commands that the nodes sent over the
# connections that they served, heartbeats and shared subscriptions included; `commands_per_chunk`
# are those of the producer. A script that does three things in the store is one command. For a
# stream, nodes keep asking for new entries, so its commands grow with the chunks and not with the
# joins.

# %%
columns = ["memory_bytes_per_chunk", "commands_per_connection", "commands_per_chunk"]
table.set_index("name")[columns]
