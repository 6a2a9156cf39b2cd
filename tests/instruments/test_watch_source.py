"""A real store's MONITOR: what is asked of it, what is read from it, and how it ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis
from monitor_kit import line, told

from chunk7.cli import main
from chunk7.delivery.errors import StoreError, StoreLost, StoreUnreachable, UsageError
from chunk7.instruments.watch import watching
from chunk7.instruments.watch.log import Log
from chunk7.instruments.watch.patterns import Patterns
from chunk7.instruments.watch.source import MAX_BEHIND_S, Behind
from chunk7.instruments.watch.watching import Limits, Outcome, watch_live

pytestmark = pytest.mark.clocked

ALLOWED = {"hello", "auth", "select", "client|setinfo", "client|setname", "monitor", "info"}


@pytest.fixture
def store(store_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(store_url) as client:
        yield client


@contextmanager
def meanwhile(store: redis.Redis, work: Callable[[], object]) -> Iterator[None]:
    """Do the work as soon as somebody monitors the store."""
    stop = threading.Event()

    def wait_and_work() -> None:
        while not stop.wait(0.01):
            if any(client["cmd"] == "monitor" for client in store.client_list()):
                work()
                return

    thread = threading.Thread(target=wait_and_work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def watched(url: str, until: Callable[[Log], bool], limits: Limits | None = None) -> Outcome:
    """Watch until the log has what is waited for; fails after half a minute."""
    limits = limits or Limits(30)

    def tick(logs: list[Log]) -> None:
        limits.stop = until(logs[-1])

    outcome = watch_live(url, Patterns(), limits, tick)
    assert outcome.stopped == "by a signal", "it did not come in time"
    return outcome


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_join_of_a_real_client_is_seen(store_url: str, store: redis.Redis, protocol: int) -> None:
    """Pipelines, scripts and transactions, in either protocol."""
    reader = redis.Redis.from_url(store_url, protocol=protocol)
    subscriber = redis.Redis.from_url(store_url, protocol=protocol).pubsub()
    writes = "redis.call('PUBLISH', KEYS[1], ARGV[1]); redis.call('RPUSH', KEYS[2], ARGV[1])"
    history, channel = "chat:history:s", "chat:stream:s"

    def join() -> None:
        with reader.pipeline(transaction=False) as pipe:
            pipe.lrange(history, 0, -1).ping().execute()
        reader.eval(writes, 2, channel, history, b"\x00one")
        with reader.pipeline(transaction=True) as pipe:
            pipe.publish(channel, b'"two"').rpush(history, b'"two"').execute()
        subscriber.subscribe("other", channel)

    with meanwhile(store, join):
        outcome = watched(store_url, lambda log: log.events >= 6)
    [seen] = outcome.watched.found.joins
    session, verdict, _, lost, because = told(seen)
    assert (session, verdict, lost, because) == ("s", "lost", [1, 2], None)
    assert [chunk.lag_us for chunk in outcome.watched.found.chunks] == [0, 0]
    reader.close()
    subscriber.close()


def test_the_store_is_asked_for_nothing_but_its_monitor(store_url: str, store: redis.Redis) -> None:
    store.config_resetstat()
    watch_live(store_url, Patterns(), Limits(0.05), lambda _: None)
    asked = {name.removeprefix("cmdstat_") for name in store.info("commandstats")}
    assert asked - {"config|resetstat"} <= ALLOWED
    assert store.dbsize() == 0


def test_watching_ends_when_its_time_is_over(store_url: str) -> None:
    outcome = watch_live(store_url, Patterns(), Limits(0.05), lambda _: None)
    assert (outcome.stopped, outcome.error) == (None, None)


def test_a_sample_is_taken_in_slices_without_a_connection_between(
    store_url: str, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SLICE_S", 0.05)
    logs: list[Log] = []

    class Counted(Log):
        def __init__(self, patterns: Patterns) -> None:
            super().__init__(patterns)
            logs.append(self)

    monkeypatch.setattr(watching, "Log", Counted)
    watch_live(store_url, Patterns(), Limits(0.5, 0.5), lambda _: None)
    assert 2 <= len(logs) <= 6


def test_a_guess_is_offered_after_a_while(
    store_url: str, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "GUESS_AFTER_S", 0.3)

    def talk() -> None:
        store.lrange("room:42", 0, -1)
        store.rpush("room:42", "x")
        store.publish("live:42", "x")

    options = r"--history 'room:\{session_id\}' --channel 'live:\{session_id\}'"
    with meanwhile(store, talk), pytest.raises(UsageError, match=options):
        watch_live(store_url, Patterns(), Limits(30), lambda _: None)


def test_who_may_not_monitor_is_told_so(store_url: str, store: redis.Redis) -> None:
    store.execute_command("ACL", "SETUSER", "guest", "on", ">secret", "+@all", "-monitor")
    url = store_url.replace("//", "//guest:secret@")
    try:
        with pytest.raises(StoreError, match="does not let us MONITOR"):
            watch_live(url, Patterns(), Limits(30), lambda _: None)
        with pytest.raises(StoreUnreachable, match=r"refused by the store at .*: invalid username"):
            watch_live(url.replace("secret", "wrong"), Patterns(), Limits(30), lambda _: None)
    finally:
        store.execute_command("ACL", "DELUSER", "guest")


def test_what_was_seen_until_the_store_went_is_shown(
    store_url: str, store: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    def write_and_cut() -> None:
        store.lrange("chat:history:s", 0, -1)
        store.client_kill_filter(_type="normal", skipme=True)

    with meanwhile(store, write_and_cut):
        assert main(["watch", "--redis", store_url, "--duration", "30"]) == 1
    said = capsys.readouterr()
    assert "1 join." in said.out
    assert "Stopped: the store went away" in said.out
    assert said.err.splitlines()[-1].startswith("chunk7 watch: error: the store went away")


def test_falling_behind_ends_it_before_the_store_fills_its_memory() -> None:
    """The store keeps what a monitor does not take, without a limit. Clocks may differ."""
    behind, clocks_apart_s = Behind(), 1_000.0
    for at_ms, late_s in ((1_000, 0.1), (2_000, 0.2), (3_000, MAX_BEHIND_S)):
        command = line(at_ms, "node1", "PING")
        sent_s = float(command.split()[0])
        behind.check(command, sent_s + clocks_apart_s + late_s)
    with pytest.raises(StoreLost, match="--sample takes less"):
        behind.check(command, sent_s + clocks_apart_s + MAX_BEHIND_S + 0.2)
