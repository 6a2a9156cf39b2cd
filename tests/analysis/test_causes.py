"""Each cause: the smallest history that has it, and the rule that finds it."""

from pathlib import Path
from typing import Any

import pytest
from story import CELL, Story, ns

from chunk7.analysis import causes
from chunk7.analysis.causes import explain, loss_table
from chunk7.analysis.gather import gather
from chunk7.analysis.manifest import Traits
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.verdicts import judge
from chunk7.analysis.windows import join_times, write_times
from chunk7.delivery import causes as handover
from chunk7.delivery.verdicts import Cause

FILLS_GAPS = {CELL.connect: Traits(fills_gaps=True)}
CUT = {"closed_ns": ns(100), "by_server": True}


def found(folder: Path) -> list[str]:
    """The causes of a run's losses, in the order of connections and chunks."""
    gather(folder)
    run = load_run(folder)
    table, _, _ = loss_table(run, judge(run), join_times(run), write_times(run))
    return list(explain(table, run.manifest.settle_ms * 1e6))


def handover_gap(folder: Path) -> Story:
    """Read at 20, published and saved at 30, subscribed at 40."""
    story = Story(folder)
    story.chunk(1, 30)
    story.connection(1)
    story.join(1, read_ms=(20, 20), subscribe_ms=(40, 40))
    return story


def save_lag(folder: Path) -> Story:
    """Published at 10, subscribed at 20, read at 30, saved at 40."""
    story = Story(folder)
    story.chunk(1, 10, save_ms=40)
    story.connection(1)
    story.join(1, read_ms=(30, 30), subscribe_ms=(20, 20))
    return story


def unconfirmed_subscribe(folder: Path) -> Story:
    """Subscribe sent at 10, read at 20, published at 30, the subscription confirmed at 40."""
    story = Story(folder)
    story.chunk(1, 30)
    story.connection(1)
    story.join(
        1, (20, 20), (10, 10), subscribe_done_ns=None, leaves={"subscribe_confirmed_ns": ns(40)}
    )
    return story


def store_reconnect(folder: Path) -> Story:
    """Subscribed at 3; the node is without the store from 20 to 40, the chunk comes at 30."""
    story = Story(folder)
    story.chunk(1, 30)
    story.connection(1)
    story.join(1)
    story.of("node").add("events", kind="store_lost", at_ns=ns(20))
    story.of("node").add("events", kind="store_back", at_ns=ns(40))
    return story


def store_replaced(folder: Path) -> Story:
    """Saved at 10; an empty store is there at 40, and a join reads its history at 60."""
    story = Story(folder)
    story.chunk(1, 10)
    story.connection(1, open_ms=50)
    story.join(1, (60, 60), (61, 61), history_count=0)
    replaced(story, 40)
    return story


def replaced(story: Story, at_ms: float, *processes: str) -> None:
    for process in processes or ("node", "producer"):
        row = {"kind": "store_replaced", "detail": "aaaaaaaa -> bbbbbbbb"}
        story.of(process).add("events", at_ns=ns(at_ms), **row)


def deaf_node(folder: Path) -> Story:
    """Subscribed at 3; the node is deaf from 20 to 40 and says nothing, the chunk comes at 30."""
    story = Story(folder)
    story.chunk(1, 30)
    story.connection(1)
    story.join(1)
    story.fault("deaf_node node", 20, 40)
    return story


def stale_read(folder: Path) -> Story:
    """Saved at 10; the read of 20 is answered by a replica that does not have it yet."""
    story = Story(folder)
    story.chunk(1, 10)
    story.connection(1, open_ms=15)
    story.join(1, (20, 20), (21, 21), history_count=0)
    story.fault("stale_read store", 0, 40)
    return story


def slow_client(folder: Path) -> Story:
    """Subscribed at 3, published at 30, and the node closes the slow client at 100."""
    story = Story(folder)
    story.chunk(1, 30)
    story.connection(1, **CUT, close_code=1013, close_reason="slow_client")
    story.join(1)
    return story


def trimmed(folder: Path) -> Story:
    """Chunk 1 is saved at 10; the history read at 20 begins with chunk 2."""
    story = Story(folder)
    story.chunk(1, 10)
    story.chunk(2, 11)
    story.connection(1, [(25, 2)], open_ms=15)
    story.join(1, (20, 20), (21, 21), history_first_seq=2, history_last_seq=2, history_count=1)
    return story


def tail(folder: Path) -> Story:
    """As handover_gap, with a client that fills gaps and sees nothing after this one."""
    story = Story(folder, traits=FILLS_GAPS)
    story.chunk(1, 30)
    story.connection(1)
    story.join(1, read_ms=(20, 20), subscribe_ms=(40, 40))
    return story


def node_gone(folder: Path) -> Story:
    """Subscribed at 3, the connection breaks at 100, the chunk is published at 200."""
    story = Story(folder)
    story.chunk(1, 200)
    story.connection(1, **CUT, close_code=1006)
    story.join(1)
    return story


def unknown(folder: Path) -> Story:
    """Subscribed at 3, published at 30, and nothing went wrong that was recorded."""
    story = Story(folder)
    story.chunk(1, 30)
    story.connection(1)
    story.join(1)
    return story


HISTORIES = [
    (Cause.HANDOVER_GAP, handover_gap),
    (Cause.SAVE_LAG, save_lag),
    (Cause.UNCONFIRMED_SUBSCRIBE, unconfirmed_subscribe),
    (Cause.STORE_RECONNECT, store_reconnect),
    (Cause.STORE_REPLACED, store_replaced),
    (Cause.DEAF_NODE, deaf_node),
    (Cause.STALE_READ, stale_read),
    (Cause.SLOW_CLIENT, slow_client),
    (Cause.TRIMMED, trimmed),
    (Cause.TAIL, tail),
    (Cause.NODE_GONE, node_gone),
    (Cause.UNKNOWN, unknown),
]


def test_every_cause_has_its_history() -> None:
    assert [cause for cause, _ in HISTORIES] == list(Cause)


@pytest.mark.parametrize(("cause", "history"), HISTORIES)
def test_the_smallest_history_of_a_cause_is_given_that_cause(
    cause: Cause, history: Any, tmp_path: Path
) -> None:
    assert found(history(tmp_path / "run").end()) == [cause]


class Without:
    """The names of causes as `explain` sees them, with one that can never be told."""

    def __init__(self, cause: Cause) -> None:
        self._cause = cause

    def __getattr__(self, name: str) -> Any:
        return type("Other", (), {"value": "other"}) if Cause[name] is self._cause else Cause[name]


@pytest.mark.parametrize(("cause", "history"), HISTORIES)
def test_a_checker_that_never_gives_a_cause_does_not_pass(
    cause: Cause, history: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (causes, handover):
        monkeypatch.setattr(module, "Cause", Without(cause))
    assert found(history(tmp_path / "run").end()) == ["other"]


# --- where the rules meet ------------------------------------------------------------------


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, None])
def test_every_way_of_a_node_to_go_is_node_gone(code: int | None, tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 200)
    story.connection(1, **CUT, close_code=code)
    story.join(1)
    assert found(story.end()) == [Cause.NODE_GONE]


def test_a_node_that_was_killed_is_gone_whatever_the_client_was_told(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 200)
    story.connection(1, **CUT, close_code=1000)
    story.join(1)
    assert found(story.end("node")) == [Cause.NODE_GONE]


def test_a_join_that_failed_is_node_gone_for_all_it_missed(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, -900)
    story.connection(1, **CUT, close_code=1011)
    story.join(1, None, None, error="StoreLost")
    assert found(story.end()) == [Cause.NODE_GONE]


def test_a_node_that_went_later_does_not_explain_a_handover_gap(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 30)
    story.connection(1, **CUT, close_code=1006)
    story.join(1, read_ms=(20, 20), subscribe_ms=(40, 40))
    assert found(story.end()) == [Cause.HANDOVER_GAP]


def test_a_store_that_never_came_back_explains_all_that_follows(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.chunk(2, 30)
    story.connection(1)
    story.join(1)
    story.of("node").add("events", kind="store_lost", at_ns=ns(20))
    assert found(story.end()) == [Cause.UNKNOWN, Cause.STORE_RECONNECT]


def test_another_nodes_lost_store_explains_nothing(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 30)
    story.connection(1)
    story.join(1)
    story.of("other").add("events", kind="store_lost", at_ns=ns(20))
    assert found(story.end()) == [Cause.UNKNOWN]


def test_an_empty_history_that_was_saved_is_trimmed(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.connection(1, open_ms=15)
    story.join(1, (20, 20), (21, 21), history_count=0)
    assert found(story.end()) == [Cause.TRIMMED]


def test_a_filled_gap_is_no_tail_once_something_later_came(tmp_path: Path) -> None:
    story = Story(tmp_path / "run", traits=FILLS_GAPS)
    story.chunk(1, 30)
    story.chunk(2, 50)
    story.connection(1, [(51, 2)])
    story.join(1, read_ms=(20, 20), subscribe_ms=(40, 40))
    assert found(story.end()) == [Cause.HANDOVER_GAP]


def test_within_the_uncertainty_of_the_instants_a_gap_is_still_a_gap(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 30)
    story.connection(1)
    story.join(1, read_ms=(10, 12), subscribe_ms=(20, 31))  # its middle is before the chunk
    assert found(story.end()) == [Cause.HANDOVER_GAP]


def test_who_subscribed_before_reading_has_no_handover_gap(tmp_path: Path) -> None:
    """PUBLISH may have been executed before or after the subscription; the read came after both.

    A live run once blamed a handover gap on an ordering that cannot have one.
    """
    story = Story(tmp_path / "run")
    story.chunk(1, 10, save_ms=40, publish_done_ns=ns(36))
    story.connection(1)
    story.join(1, read_ms=(25, 30), subscribe_ms=(12, 20))
    assert found(story.end()) == [Cause.SAVE_LAG]


def test_a_shared_subscription_begins_a_delivery_before_the_newcomer_is_attached(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 30)
    story.connection(1)
    story.join(1, read_ms=(20, 28), subscribe_ms=(36, 36), subscribe_shared=True)
    assert found(story.end()) == [Cause.HANDOVER_GAP]
    times = join_times(load_run(story.folder))
    assert (times.window_ns / 1e6).tolist() == [36 - 8 / 2 - 24]
    assert (times.subscribe.off_ns / 1e6).tolist() == [4]


def test_a_subscription_that_another_client_asked_for_is_a_handover_not_an_omission(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 30)
    story.connection(1)
    story.join(1, read_ms=(20, 22), subscribe_ms=(18, 60), accepted_ns=ns(19))
    assert found(story.end()) == [Cause.HANDOVER_GAP]


def test_without_a_join_record_the_cause_of_a_loss_is_unknown(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 30)
    story.connection(1)
    assert found(story.end()) == [Cause.UNKNOWN]


def test_no_losses_have_no_causes(tmp_path: Path) -> None:
    assert found(Story(tmp_path / "run").end()) == []


# --- faults that struck on purpose ---------------------------------------------------------


def test_a_fault_of_another_node_explains_nothing(tmp_path: Path) -> None:
    for number, name in enumerate(("deaf_node", "network_cut")):
        story = Story(tmp_path / f"run-{number}")
        story.chunk(1, 30)
        story.connection(1)
        story.join(1)
        story.fault(f"{name} node-2", 20, 40)
        assert found(story.end()) == [Cause.UNKNOWN]


@pytest.mark.parametrize(
    "detail", ["store_pause store", "store_restart store", "network_cut node", "network_cut node-1"]
)
def test_a_cut_that_the_node_never_noticed_is_a_store_reconnect(
    detail: str, tmp_path: Path
) -> None:
    """The node's name and its process's, after it was started again, both say which it is."""
    story = Story(tmp_path / "run")
    story.chunk(1, 30)
    story.chunk(2, 3_000)
    story.connection(1)
    story.join(1, node="node-1")
    story.fault(detail, 20, 40)
    assert found(story.end()) == [Cause.STORE_RECONNECT, Cause.UNKNOWN]


def test_a_cut_that_the_node_notices_late_began_with_the_fault(tmp_path: Path) -> None:
    """The cut is mended at 40, but the connection is dead until the node notices, at 2,000."""
    story = Story(tmp_path / "run")
    for seq, at_ms in ((1, 10), (2, 1_500), (3, 2_050), (4, 2_200)):
        story.chunk(seq, at_ms)
    story.connection(1)
    story.join(1)
    story.fault("network_cut node", 20, 40)
    story.of("node").add("events", kind="store_lost", at_ns=ns(2_000))
    story.of("node").add("events", kind="store_back", at_ns=ns(2_100))
    lost, back = [Cause.STORE_RECONNECT] * 2, [Cause.UNKNOWN]
    assert found(story.end()) == [Cause.UNKNOWN, *lost, *back]


def test_a_loss_of_the_store_is_of_the_last_cut_before_it(tmp_path: Path) -> None:
    """A pause of one cell, unnoticed, was taken for the beginning of what struck in the next."""
    story = Story(tmp_path / "run")
    for seq, at_ms in ((1, 1_500), (2, 3_030)):
        story.chunk(seq, at_ms)
    story.connection(1)
    story.join(1)
    story.fault("store_pause store", 100, 200)
    story.fault("store_kill_pubsub store", 3_000, 3_010)
    story.of("node").add("events", kind="store_lost", at_ns=ns(3_020))
    story.of("node").add("events", kind="store_back", at_ns=ns(3_040))
    assert found(story.end()) == [Cause.UNKNOWN, Cause.STORE_RECONNECT]


def test_a_cut_that_was_told_of_once_is_not_told_of_again(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    for seq, at_ms in ((1, 40), (2, 2_500), (3, 3_030)):
        story.chunk(seq, at_ms)
    story.connection(1)
    story.join(1)
    story.fault("network_cut node", 20, 60)
    for lost_ms, back_ms in ((50, 100), (3_020, 3_040)):
        story.of("node").add("events", kind="store_lost", at_ns=ns(lost_ms))
        story.of("node").add("events", kind="store_back", at_ns=ns(back_ms))
    lost = Cause.STORE_RECONNECT
    assert found(story.end()) == [lost, Cause.UNKNOWN, lost]


def test_what_was_published_before_the_subscription_is_the_laws_also_in_a_fault(
    tmp_path: Path,
) -> None:
    for number, name in enumerate(("deaf_node node", "store_pause store")):
        story = handover_gap(tmp_path / f"run-{number}")
        story.fault(name, 0, 100)
        assert found(story.end()) == [Cause.HANDOVER_GAP]


def test_a_chunk_that_the_failed_over_store_had_answered_for_is_a_stale_read(
    tmp_path: Path,
) -> None:
    """Chunk 2 was saved and never reached the replica: a later join's history has a hole."""
    story = Story(tmp_path / "run")
    for seq in (1, 2, 3):
        story.chunk(seq, 10 * seq)
    receipts = [(55, 1, 0), (55, 3, 0)]
    story.connection(1, receipts, open_ms=45)
    story.join(1, (50, 50), (48, 48), history_count=2, history_first_seq=1, history_last_seq=3)
    story.fault("store_failover store", 22, 40)
    assert found(story.end()) == [Cause.STALE_READ]


@pytest.mark.parametrize("history", [{"history_count": 0}, {"history_first_seq": 2}])
def test_an_evicted_history_is_trimmed(history: dict[str, int], tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.connection(1, open_ms=15)
    story.join(1, (20, 20), (21, 21), **({"history_count": 1} | history))
    story.fault("evict store", 12, 12)
    assert found(story.end()) == [Cause.TRIMMED]


def test_an_evicted_counter_begins_again_and_hides_what_is_gone(tmp_path: Path) -> None:
    """The history has another chunk 1, so nothing seemed to lack: the run said `unknown`."""
    story = Story(tmp_path / "run")
    story.chunk(5, 10)
    story.chunk(1, 14)
    story.connection(1, [(21, 1, 0)], open_ms=15)
    story.join(1, (20, 20), (21, 21), history_count=1, history_first_seq=1, history_last_seq=1)
    story.fault("evict store", 12, 12)
    assert found(story.end()) == [Cause.TRIMMED]


@pytest.mark.parametrize("fault", ["evict", "expire"])
def test_a_number_that_comes_again_after_the_counter_is_gone_hides_what_has_it(
    fault: str, tmp_path: Path
) -> None:
    """Who had 1 and 2 takes the new 1 for it: a third of what it cost was called `unknown`."""
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.chunk(2, 20)
    story.chunk(1, 50, message_id="m", index=1, digest=77)
    story.connection(1, [(11, 1), (21, 2)])
    story.join(1)
    story.fault(f"{fault} store", 40, 40)
    assert found(story.end()) == [Cause.TRIMMED]


# --- a store that comes back with less than it had -----------------------------------------


def test_what_an_emptied_store_no_longer_has_went_with_it_also_when_numbers_have_begun_again(
    tmp_path: Path,
) -> None:
    """The history reads 1, of the new life: nothing was trimmed, and the run said `unknown`."""
    story = Story(tmp_path / "run")
    for seq, at_ms in ((1, 10), (2, 20), (3, 30)):
        story.chunk(seq, at_ms)
    again = {"message_id": "m", "index": 1, "digest": 77}
    story.chunk(1, 50, **again)
    story.connection(1, [(61, 1, 0, 77)], open_ms=55)
    story.join(1, (60, 60), (61, 61), history_count=1, history_first_seq=1, history_last_seq=1)
    replaced(story, 40)
    assert found(story.end()) == [Cause.STORE_REPLACED] * 3


def test_a_number_that_came_again_is_lost_on_those_who_had_it(tmp_path: Path) -> None:
    """Saved at 50, before the client resumed after 2 and read nothing: it was not trimmed."""
    for number, returned in enumerate((True, False)):
        story = Story(tmp_path / f"run-{number}")
        story.chunk(1, 10)
        story.chunk(2, 20)
        story.chunk(1, 50, message_id="m", index=1, digest=77)
        story.connection(1, [(11, 1), (21, 2)])
        story.join(1)
        if returned:
            story.returned(2, 1, lost_ms=35, history_ms=61, after_seq=2)
            story.join(2, (60, 60), (59, 59), history_count=0, after_seq=2)
        replaced(story, 40)
        assert found(story.end()) == [Cause.STORE_REPLACED]


def test_what_was_trimmed_in_a_store_that_kept_its_numbers_is_trimmed(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    for seq, at_ms in ((1, 10), (2, 20), (3, 50)):
        story.chunk(seq, at_ms)
    story.connection(1, [(61, 2, 0), (61, 3, 0)], open_ms=55)
    story.join(1, (60, 60), (61, 61), history_count=2, history_first_seq=2, history_last_seq=3)
    replaced(story, 40)
    assert found(story.end()) == [Cause.TRIMMED]


def test_a_store_replaced_after_the_read_explains_nothing(tmp_path: Path) -> None:
    story = handover_gap(tmp_path / "run")
    replaced(story, 100, "producer")
    assert found(story.end()) == [Cause.HANDOVER_GAP]


def test_a_handover_gap_on_the_new_server_is_one_also_if_its_number_came_again(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, -50, message_id="m", index=1, digest=77, session_id="s")
    story.chunk(1, 30)
    story.connection(1, [(-40, 1, 0, 77)], open_ms=0)
    story.join(1, read_ms=(20, 20), subscribe_ms=(40, 40))
    replaced(story, -20)
    assert found(story.end()) == [Cause.HANDOVER_GAP]


def test_what_the_producer_saved_after_it_found_the_new_server_is_not_of_the_old_one(
    tmp_path: Path,
) -> None:
    """The node finds it at 40, the producer already at 20: chunk 1, of 30, is in the new one."""
    story = Story(tmp_path / "run")
    story.chunk(1, 30)
    story.connection(1, open_ms=50)
    story.join(1, (60, 60), (61, 61), history_count=0)
    replaced(story, 20, "producer")
    replaced(story, 40, "node")
    assert found(story.end()) == [Cause.TRIMMED]
