"""At which moment of a schedule a fault strikes."""

import pytest
from steer_kit import PUBLISH, READ, SAVE, SUBSCRIBE

from chunk7.instruments.steer.faults import STEER_FAULTS, encoded, prepare, with_faults
from chunk7.instruments.steer.plan import SteerEvent
from chunk7.instruments.steer.trial import Trial


@pytest.mark.parametrize(
    ("fault", "join", "keys"),
    [
        ("reply_lost", (READ, SUBSCRIBE), ["read, reply_lost, subscribe, publish 1, save 1"]),
        (
            "connection_cut",
            (READ, SUBSCRIBE),
            ["read, connection_cut, subscribe, publish 1, save 1"],
        ),
        ("connection_cut", (SUBSCRIBE, READ), []),
        ("store_kill_pubsub", (READ,), []),
        (
            "store_kill_pubsub",
            (SUBSCRIBE, READ),
            ["subscribe, read, store_reconnect, publish 1, save 1"],
        ),
        ("stale_read", (SUBSCRIBE, READ), ["stale_read, subscribe, publish 1, save 1, read"]),
        ("stale_read", (SUBSCRIBE,), []),
        (
            "producer_timeout",
            (READ, SUBSCRIBE),
            ["read, subscribe, timeout_not_executed 1", "read, subscribe, timeout_executed 1"],
        ),
    ],
)
def test_a_fault_strikes_where_it_matters_or_not_at_all(
    fault: str, join: tuple[SteerEvent, ...], keys: list[str]
) -> None:
    assert [one.key for one in with_faults([fault], join, (PUBLISH, SAVE))] == keys


def test_every_fault_has_a_schedule() -> None:
    assert all(with_faults([name], (READ, SUBSCRIBE), (PUBLISH,)) for name in STEER_FAULTS)


async def test_a_write_that_is_to_time_out_is_held() -> None:
    """Nothing was: by then the chunk had been written."""
    for schedule in with_faults(["producer_timeout"], (READ, SUBSCRIBE), (SAVE, PUBLISH)):
        trial = Trial("a", schedule.steps, 2)
        prepare(schedule.steps, trial)
        held = {step.event for step in trial.wanted if step.actor == "producer"}
        assert held == {SAVE, PUBLISH, SteerEvent.WRITE, SteerEvent.APPEND}


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (b"", b"$0\r\n\r\n"),
        (-3, b":-3\r\n"),
        ([], b"*0\r\n"),
        (None, b"$-1\r\n"),
        ([b"a", [b"b"]], b"*2\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n"),
    ],
)
def test_a_stale_answer_is_resp(answer: object, data: bytes) -> None:
    assert encoded(answer) == data
