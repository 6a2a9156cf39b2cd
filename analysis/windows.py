"""When the store executed what was sent, and so the W of every join and the L of every chunk.

A command that was sent at s and answered at d was executed somewhere in [s, d]; the middle is the
estimate, half the width its uncertainty. Results are in ns since the run's origin, NaN for null.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from chunk7.analysis.run_folder import Instants, Run


@dataclass(frozen=True, slots=True)
class Execution:
    """Estimated instants of execution, and the earliest and latest possible; one shape."""

    at_ns: Instants
    earliest_ns: Instants
    latest_ns: Instants

    @property
    def off_ns(self) -> Instants:
        """How far the estimate may be off."""
        return (self.latest_ns - self.earliest_ns) / 2


def executed(sent_ns: Instants, done_ns: Instants) -> Execution:
    """Execution of commands sent and answered at these instants."""
    return Execution((sent_ns + done_ns) / 2, sent_ns, done_ns)


@dataclass(frozen=True, slots=True)
class JoinTimes:
    """Read and subscription of every row of `Run.joins`; arrays of the shape (joins,)."""

    read: Execution
    subscribe: Execution
    window_ns: Instants
    """W. 0 where there is no subscription (streams), NaN where there was no read."""


@dataclass(frozen=True, slots=True)
class WriteTimes:
    """Publication and save of every row of `Run.published`; arrays of the shape (chunks,)."""

    publish: Execution
    save: Execution
    lag_ns: Instants
    """L. Exactly 0 where one command did both, or there is only one place (streams)."""


def join_times(run: Run) -> JoinTimes:
    """The instants of every join.

    A subscription that the node already had (`subscribe_shared`) serves the newcomer from the
    chunk that reaches the node as the newcomer is attached. That chunk was published one
    delivery earlier: between nothing and one round trip, the read's, half of it estimated.
    """
    joins = run.joins
    read_sent, read_done = run.instants(joins, "read_sent_ns"), run.instants(joins, "read_done_ns")
    sent, done = run.instants(joins, "subscribe_sent_ns"), run.instants(joins, "subscribe_done_ns")
    confirmed = run.instants(joins, "subscribe_confirmed_ns")
    done = np.where(np.isnan(done), confirmed, done)
    shared = joins["subscribe_shared"].to_numpy(dtype=bool, na_value=False)
    trip = np.nan_to_num(read_done - read_sent)
    read = executed(read_sent, read_done)
    subscribe = executed(np.where(shared, done - trip, sent), done)
    window = np.where(np.isnan(sent), 0.0, subscribe.at_ns - read.at_ns)
    return JoinTimes(read, subscribe, np.where(np.isnan(read.at_ns), np.nan, window))


def write_times(run: Run) -> WriteTimes:
    """The instants of every chunk's publication and save.

    Where one command did both, or only one was sent, publication and save are one instant.
    """
    names = ("publish_sent_ns", "publish_done_ns", "save_sent_ns", "save_done_ns")
    publish_sent, publish_done, save_sent, save_done = (
        run.instants(run.published, name) for name in names
    )
    publish_done = np.where(np.isnan(publish_sent), save_done, publish_done)
    publish_sent = np.where(np.isnan(publish_sent), save_sent, publish_sent)
    save_done = np.where(np.isnan(save_sent), publish_done, save_done)
    save_sent = np.where(np.isnan(save_sent), publish_sent, save_sent)
    publish, save = executed(publish_sent, publish_done), executed(save_sent, save_done)
    return WriteTimes(publish, save, save.at_ns - publish.at_ns)


def gap_ns(run: Run, joins: JoinTimes, writes: WriteTimes) -> Instants:
    """G of every join: its W plus the median L of its session; shape (joins,)."""
    lag = pd.Series(writes.lag_ns).groupby(run.published["session_id"]).median()
    median_ns: Instants = lag.reindex(run.joins["session_id"]).to_numpy()
    return joins.window_ns + median_ns
