"""Why each lost chunk was lost: the first rule that fits what was recorded.

The rules, in their order, are argued in docs/verdicts.md. They read one table, `LossTable`, so a
test can write down a loss by hand. Comparisons with an instant that does not exist are false.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chunk7.analysis.faults import NOTICED_NS, RECOVERY_NS, faults, on_node
from chunk7.analysis.replacements import hidden_by_numbers, lost_with_a_store
from chunk7.analysis.returns import joins_in_charge
from chunk7.analysis.run_folder import Instants, Run
from chunk7.analysis.verdicts import Bits, Ints, Judgement
from chunk7.analysis.windows import JoinTimes, WriteTimes
from chunk7.delivery.causes import handover_causes
from chunk7.delivery.verdicts import Cause

BROKEN = (1001, 1006, 1011, 1012)
"""Close codes of a node that goes away: gone, broken off, failed, draining."""
SLOW_CLIENT = "slow_client"
CUT_FROM_STORE = (
    "store_pause", "store_restart", "store_failover", "store_kill_pubsub", "network_cut",
)  # fmt: skip
"""Faults in which a node has no store, which it may notice late or never."""


@dataclass(frozen=True, slots=True)
class LossTable:
    """Lost chunks and all that may explain them; every array has the shape (losses,).

    Instants are ns since the run's origin, NaN when they did not happen. `subscribe_sent_ns` is
    NaN as well for a client that found the node's SUBSCRIBE already under way;
    `subscribe_latest_ns` is infinite for a subscription that was sent and never confirmed.
    """

    seq: Ints
    publish_sent_ns: Instants
    published_ns: Instants
    publish_done_ns: Instants
    save_sent_ns: Instants
    saved_ns: Instants
    save_done_ns: Instants
    read_sent_ns: Instants
    read_ns: Instants
    read_done_ns: Instants
    subscribe_sent_ns: Instants
    subscribe_done_ns: Instants
    subscribe_ns: Instants
    subscribe_latest_ns: Instants
    history_first_seq: Instants
    history_count: Instants
    history_last_seq: Instants
    join_failed: Bits
    cut_ns: Instants
    """When the server or the network ended the connection, and the user did not come back."""
    slow_client: Bits
    node_went: Bits
    """It ended with one of BROKEN, or its node ended without closing its records."""
    store_was_lost: Bits
    """Published while its node was without the store."""
    went_with_store: Bits
    """Saved to a server whose successor, which was read, lacked it."""
    number_came_again: Bits
    """Written when its number had been given out by a server before, to a client from then."""
    node_was_deaf: Bits
    """Published, and subscribed to, while its node heard nothing and did not notice."""
    read_was_stale: Bits
    """Saved before a read that was answered by somebody who lagged behind."""
    was_evicted: Bits
    """Saved before a fault `evict` or `expire` was over, and read after it began; or written when
    its number had been given out before that, to a client from then."""
    fills_gaps: Bits
    last_seq: Ints
    """The highest number that the client received."""


def explain(losses: LossTable, settle_ns: float) -> NDArray[Any]:
    """The Cause of each loss, as its name."""
    t = losses
    not_subscribed = t.published_ns < t.subscribe_ns
    # Chunks on their way as the node died were published a little before it.
    cut = t.join_failed | (~not_subscribed & (t.publish_sent_ns > t.cut_ns - settle_ns))
    absent = (t.history_first_seq > t.seq) | (t.history_count == 0)
    did_not_wait = (t.subscribe_sent_ns <= t.read_sent_ns) & ~(
        t.subscribe_done_ns <= t.read_sent_ns
    )
    before_subscribed = t.publish_sent_ns <= t.subscribe_latest_ns
    may_have_read_first = t.read_sent_ns <= t.subscribe_latest_ns
    rules: list[tuple[Cause, Any]] = [
        (Cause.SLOW_CLIENT, t.slow_client & ~not_subscribed),
        (Cause.NODE_GONE, t.node_went & ~np.isnan(t.cut_ns) & cut),
        (Cause.DEAF_NODE, t.node_was_deaf),
        (Cause.STORE_REPLACED, t.went_with_store),
        (Cause.STORE_RECONNECT, t.store_was_lost),
        (Cause.STORE_REPLACED, t.number_came_again),
        (Cause.STALE_READ, t.read_was_stale),
        (Cause.TRIMMED, t.was_evicted | (absent & (t.save_done_ns <= t.read_sent_ns))),
        (Cause.TAIL, t.fills_gaps & (t.last_seq < t.seq)),
        *handover_causes(
            t.published_ns, t.saved_ns, t.read_ns, not_subscribed, did_not_wait, before_subscribed
        ),
        # The last two, as far as the uncertainty of the instants allows.
        (
            Cause.HANDOVER_GAP,
            may_have_read_first & before_subscribed & (t.publish_done_ns >= t.read_sent_ns),
        ),
        (Cause.SAVE_LAG, before_subscribed & (t.save_done_ns >= t.read_sent_ns)),
    ]
    return np.select([fits for _, fits in rules], [c.value for c, _ in rules], Cause.UNKNOWN.value)


def loss_table(
    run: Run, judgement: Judgement, joins: JoinTimes, writes: WriteTimes
) -> tuple[LossTable, Ints, Ints]:
    """The losses of a run in the order of `judgement.missing`, the connection row of each, and the
    row in `Run.joins` of the join that should have brought it, -1 where no node recorded that."""
    lost = judgement.missing[judgement.missing["lost"].to_numpy(dtype=bool)]
    chunk, who = lost["chunk"].to_numpy(), lost["connection"].to_numpy()
    published = _of_chunks(run, writes, chunk)
    join = joins_in_charge(run, who, published["publish_sent_ns"])
    ended = _of_ends(run, who, join)
    of_joins = _of_joins(run, joins, join)
    traits = run.manifest.traits
    fills_gaps = run.connections["connect"].map({n: t.fills_gaps for n, t in traits.items()})
    table = LossTable(
        **published,
        **of_joins,
        **ended,
        **_of_faults(run, chunk, who, join, published | of_joins),
        **lost_with_a_store(run, chunk, who, join, published | of_joins),
        fills_gaps=fills_gaps.to_numpy(dtype=bool)[who],
        last_seq=judgement.accounts["last_seq"].to_numpy()[who],
    )
    return table, who, join


def _of_chunks(run: Run, writes: WriteTimes, chunk: Ints) -> dict[str, Any]:
    return {
        "seq": run.published["seq"].to_numpy(dtype=np.int64)[chunk],
        "publish_sent_ns": writes.publish.earliest_ns[chunk],
        "published_ns": writes.publish.at_ns[chunk],
        "publish_done_ns": writes.publish.latest_ns[chunk],
        "save_sent_ns": writes.save.earliest_ns[chunk],
        "saved_ns": writes.save.at_ns[chunk],
        "save_done_ns": writes.save.latest_ns[chunk],
    }


def _of_joins(run: Run, joins: JoinTimes, join: Ints) -> dict[str, Any]:
    """`join` is a row of `Run.joins`, -1 for a connection that no node recorded."""
    frame = run.joins
    sent = run.instants(frame, "subscribe_sent_ns")
    latest = np.where(
        ~np.isnan(sent) & np.isnan(joins.subscribe.latest_ns), np.inf, joins.subscribe.latest_ns
    )
    own = sent >= run.instants(frame, "accepted_ns")
    numbers = {
        "read_sent_ns": joins.read.earliest_ns,
        "read_ns": joins.read.at_ns,
        "read_done_ns": joins.read.latest_ns,
        "subscribe_sent_ns": np.where(own, sent, np.nan),
        "subscribe_done_ns": run.instants(frame, "subscribe_done_ns"),
        "subscribe_ns": np.where(np.isinf(latest), np.inf, joins.subscribe.at_ns),
        "subscribe_latest_ns": latest,
        "history_first_seq": frame["history_first_seq"].to_numpy(dtype=float, na_value=np.nan),
        "history_count": frame["history_count"].to_numpy(dtype=float, na_value=np.nan),
        "history_last_seq": frame["history_last_seq"].to_numpy(dtype=float, na_value=np.nan),
    }
    return {name: _take(values, join, np.nan) for name, values in numbers.items()}


def _of_ends(run: Run, who: Ints, join: Ints) -> dict[str, Any]:
    frame = run.connections.iloc[who]
    code = frame["close_code"].to_numpy(dtype=float, na_value=np.nan)
    by_server = frame["by_server"].to_numpy(dtype=bool, na_value=False)
    said = _take(run.joins["close_reason"].to_numpy(dtype=object, na_value=""), join, "")
    cut_short = run.processes.loc[~run.processes["complete"].astype(bool), "process"]
    node_died = run.joins["process"].isin(cut_short).to_numpy(dtype=bool)
    failed = run.joins["error"].notna().to_numpy(dtype=bool)
    slow = (frame["close_reason"].to_numpy(dtype=object, na_value="") == SLOW_CLIENT) | (
        said == SLOW_CLIENT
    )
    return {
        "cut_ns": np.where(by_server, run.instants(frame, "closed_ns"), np.nan),
        "slow_client": by_server & slow,
        "node_went": np.isin(code, BROKEN) | np.isnan(code) | _take(node_died, join, False),
        "join_failed": _take(failed, join, False),
    }


def _of_faults(run: Run, chunk: Ints, who: Ints, join: Ints, t: dict[str, Any]) -> dict[str, Any]:
    """What befell each loss's node, by events of its own and by the faults that struck it.

    A fault explains only what was published after the subscription: before that, the law does.
    """
    struck = faults(run)
    sent_ns, saved_ns = t["publish_sent_ns"], t["saved_ns"]
    subscribed = ~(sent_ns <= t["subscribe_latest_ns"])
    lost = _store_was_lost(run, struck, join, sent_ns, t["read_done_ns"] - t["read_sent_ns"])
    deaf, stale, evicted = (np.zeros(len(join), bool) for _ in range(3))
    for began_ns, ended_ns, hit in on_node(struck, CUT_FROM_STORE, run, join):
        lost |= hit & subscribed & (sent_ns >= began_ns) & (sent_ns <= ended_ns + RECOVERY_NS)
    for began_ns, ended_ns, hit in on_node(struck, ["deaf_node", "deaf_all_nodes"], run, join):
        deaf |= hit & subscribed & (sent_ns >= began_ns) & (sent_ns <= ended_ns)
    for began_ns, ended_ns, hit in on_node(struck, ["stale_read"], run, join):
        read_then = (t["read_done_ns"] >= began_ns) & (t["read_sent_ns"] <= ended_ns)
        stale |= hit & read_then & (saved_ns <= t["read_done_ns"])
    for began_ns, ended_ns, hit in on_node(struck, ["store_failover"], run, join):
        read_after = (t["read_done_ns"] >= began_ns) & (saved_ns <= t["read_sent_ns"])
        stale |= hit & read_after & (saved_ns <= ended_ns)
    for began_ns, ended_ns, hit in on_node(struck, ["evict", "expire"], run, join):
        evicted |= hit & (t["read_done_ns"] >= began_ns) & (saved_ns <= ended_ns)
        evicted |= hidden_by_numbers(run, began_ns, chunk, who, t)
    return {
        "store_was_lost": lost,
        "node_was_deaf": deaf,
        "read_was_stale": stale,
        "was_evicted": evicted,
    }


def _store_was_lost(
    run: Run, struck: pd.DataFrame, join: Ints, publish_sent_ns: Instants, trip_ns: Instants
) -> Bits:
    """Whether each loss's node was without the store as the chunk was published.

    A node notices the loss a delivery late, so the time without begins a round trip (the join's
    read) before the node says so; and with the fault, if one struck it not long before. Without a
    `store_back` it lasts for ever.
    """
    events = run.events[run.events["kind"].isin(["store_lost", "store_back"])]
    at_ns, process = run.instants(events, "at_ns"), events["process"].to_numpy(dtype=object)
    is_loss = (events["kind"] == "store_lost").to_numpy(dtype=bool)
    node = _take(run.joins["process"].to_numpy(dtype=object), join, "")
    cuts = on_node(struck, CUT_FROM_STORE, run, join)
    inside = np.zeros(len(join), bool)
    for lost_ns, name in zip(at_ns[is_loss], process[is_loss], strict=True):
        back = at_ns[~is_loss & (process == name) & (at_ns >= lost_ns)]
        early_ns, late = lost_ns - np.nan_to_num(trip_ns), back.min(initial=np.inf)
        said_ns = at_ns[is_loss & (process == name) & (at_ns < lost_ns)].max(initial=-np.inf)
        since_ns = np.full(len(join), np.inf)
        for began_ns, ended_ns, hit in cuts:  # by time: the last one counts
            if said_ns < began_ns <= lost_ns <= ended_ns + NOTICED_NS:
                since_ns = np.where(hit, began_ns, since_ns)
        early_ns = np.minimum(early_ns, since_ns)
        inside |= (node == name) & (publish_sent_ns >= early_ns) & (publish_sent_ns <= late)
    return inside


def _take(values: Any, rows: Ints, missing: Any) -> Any:
    """`values[rows]`, and `missing` where the row is -1."""
    if len(values) == 0:
        return np.full(len(rows), missing)
    return np.where(rows >= 0, values[rows], missing)
