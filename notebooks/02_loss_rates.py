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
# # Loss rates
#
# How many connections lost a chunk, for every pair of a connect ordering (what the node does) and a
# write ordering (what the producer does), and how sure that is. All pairs ran on the same cluster,
# one after the other, under the same seed: the same chunks and the same joins.

# %%
import os

import pandas as pd

from chunk7 import compare_orderings, conclusion, open_study, proof, tables
from chunk7.analysis.figures.loss_rate import loss_rate
from chunk7.analysis.figures.over_time import over_time
from chunk7.analysis.statistics.proportions import connections_needed, one_in

pd.options.display.precision = 3

study = open_study(os.environ.get("CHUNK7_RUN", "sample_run"))
cells = tables.cells(study)
print("valid" if study.summary.valid else study.summary.invalid_because)

# %% [markdown]
# ## The matrix
#
# The unit is the connection: it lost something, or it did not. Chunks would not do, because the
# chunks of one connection are not lost independently. A filled mark is a measured loss rate with
# its 95% interval. A hollow mark is a pair that lost nothing; the dashed line goes up to the
# loss rate that so many connections cannot rule out.

# %%
loss_rate(cells)

# %%
columns = ["lossy_connections", "connections", "loss_rate", "loss_rate_low", "loss_rate_high"]
cells.set_index("name")[columns]

# %% [markdown]
# A sentence each, as `chunk7 run` prints them:

# %%
for result in study.summary.results:
    print(conclusion(result), proof(result), end="\n\n")

# %% [markdown]
# ## What no loss proves
#
# A run without a loss is no proof. If the true rate were p, the probability to see none in n
# connections would be (1 - p)^n; the greatest p for which that is still 5% is about 3/n, the *rule
# of three*. So each loss-free pair of this run promises, with 95% confidence, a rate of at most

# %%
for result in study.summary.results:
    if result.connections and not result.lossy_connections:
        print(f"1 in {one_in(result.connections):>6,}   {result.name}")

# %% [markdown]
# For a wished bound, as many connections must join without a loss:

# %%
for bound in (0.01, 0.001, 0.0001):
    print(f"at most {bound:.2%}: {connections_needed(bound):>6,} connections")

# %% [markdown]
# What a run cannot prove, an exploration can: `chunk7 explore` executes the same ordering files in
# every interleaving and finds those that lose, with the shortest counter-example, or that none
# does.

# %% [markdown]
# ## Which differences are real
#
# In every pair of orderings, a user's k-th join comes at the same moment of the same answer. So two
# of them can be compared join by join, which is far sharper than comparing two intervals: `only_a`
# counts joins that lost something only under A, `only_b` only under B, and joins that fared alike
# under both say nothing. The p-value is McNemar's exact one, corrected for the number of
# comparisons (Holm). Here every other pair of orderings (`b`) is held against the first one of the
# run.

# %%
baseline = study.summary.results[0].name
pairs = compare_orderings(study, baseline=baseline)
print("A is", baseline)
columns = ["pairs", "only_a", "only_b", "difference", "low", "high", "p_adjusted", "verdict"]
pairs[pairs["metric"] == "loss_rate"].set_index("b")[columns]

# %% [markdown]
# ## Is the rate steady?
#
# If losses came in one bad second, a rate would mean little. Each pair of orderings has its stretch
# of the run. Within it the losses follow the answers, which stream faster at some moments than at
# others; that rhythm is the same in every stretch. A peak that only one of them has came from
# outside.

# %%
over_time(tables.over_time(study))

# %% [markdown]
# ## Why chunks were lost
#
# Each lost chunk has one cause, the first rule of docs/verdicts.md that fits.

# %%
study.losses.groupby(["name", "cause"], sort=False).size().rename("lost chunks").to_frame()
