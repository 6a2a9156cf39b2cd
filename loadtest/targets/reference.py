"""What an answer says, from a client that was there from the beginning: the truth of a run."""

import re
from collections.abc import Callable

import gevent

from chunk7.delivery.chunk import digest
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.loadtest.targets.adapter import Adapter, Ask, FinishedAnswer, in_file
from chunk7.loadtest.targets.client import (
    TargetJoin,
    fetch_finished,
    open_request,
    open_target,
    request_once,
    session_of,
)
from chunk7.loadtest.targets.errors import (
    END_OF_STREAM,
    Closed,
    Refused,
    TargetError,
    TimedOut,
    WrongAnswer,
)
from chunk7.loadtest.targets.foreign import WRONG_ADAPTER
from chunk7.loadtest.targets.frame_reader import FrameReader, Sighting, UnreadFrame
from chunk7.loadtest.targets.producer_log import ProducerLog
from chunk7.loadtest.targets.transport import TargetConnection
from chunk7.wire.clock import now_ns
from chunk7.wire.plan import SessionPlan
from chunk7.wire.recorder import Recorder

AHEAD_S = 0.2
"""How long before it asks the reference connects: it should be served when the answer begins."""
_WORD = re.compile(r"\s*\S+\s*")


class WrongAdapter(Chunk7Error):
    """The request of `ask` cannot be used; every other session's would fail, too."""


class Reference:
    """One session's reference. `write` is the cell's write side, as records name it."""

    def __init__(
        self,
        adapter: Adapter,
        recorder: Recorder,
        session: SessionPlan,
        write: str,
        until_ns: int,
        log: ProducerLog | None = None,
    ) -> None:
        assert adapter.ask is not None, "without a question there is no answer"
        self._adapter = adapter
        self._ask: Ask = adapter.ask
        self._recorder = recorder
        self._session = session
        self._write = write
        self._until_ns = until_ns
        self._log = log
        self._reader = FrameReader(adapter)
        self._count = 0
        self._known: set[object] = set()

    def run(self, start_ns: int, end_ns: int, named: Callable[[str], None]) -> None:
        """Ask at `start_ns`, and keep what comes.

        `named` is told what the target calls the session, once there is something to join.
        Raises WrongAdapter, and Chunk7Error for an answer that did not come.
        """
        try:
            if isinstance(self._ask.reference, FinishedAnswer):
                self._fetch(start_ns, end_ns, named)
            elif self._log is not None:
                self._follow(self._log, start_ns, named)
            elif self._ask.reference == "request":
                _wait_until(start_ns)
                asked = open_request(self._adapter, self._join(), self._deadline_s)
                self._keep(asked, lambda: named(self._session.session_id))
            else:
                self._listen(start_ns, named)
        except (UnreadFrame, WrongAnswer, UsageError) as error:
            raise WrongAdapter(in_file(self._adapter.file, error)) from error
        except TargetError as error:
            if isinstance(error, Refused) and error.status in WRONG_ADAPTER:
                line = f"{self._adapter.file}: ask: the target answers {error}"
                raise WrongAdapter(line) from error
            raise Chunk7Error(f"not asked, or not answered: {error}") from error

    @property
    def _deadline_s(self) -> float:
        return self._until_ns / 1e9

    def _join(self, name: str | None = None) -> TargetJoin:
        return TargetJoin(name or self._session.session_id, user=0, connection_id=0)

    def _listen(self, start_ns: int, named: Callable[[str], None]) -> None:
        """Connect first, where the session's name is known; then ask."""
        if self._ask.session_id is not None:
            _wait_until(start_ns)
            name = self._request()
            joined = open_target(self._adapter, self._join(name), self._deadline_s)
            self._keep(joined, lambda: named(name))
            return
        _wait_until(start_ns - round(AHEAD_S * 1e9))
        connection = open_target(self._adapter, self._join(), self._deadline_s)
        asking = gevent.spawn_later(max(0.0, (start_ns - now_ns()) / 1e9), self._request)
        try:
            self._keep(connection, lambda: named(self._session.session_id))
        finally:
            asking.join(0)
            if not asking.successful():
                asking.kill()
                raise Chunk7Error(f"not asked: {asking.exception or 'no answer in time'}")

    def _request(self) -> str:
        """Send the question; the session's name."""
        join = self._join()
        return session_of(self._adapter, join, request_once(self._adapter, join, self._deadline_s))

    def _fetch(self, start_ns: int, end_ns: int, named: Callable[[str], None]) -> None:
        """The finished answer, word by word: all of it was there when it was fetched."""
        _wait_until(start_ns)
        name = self._request()
        named(name)
        _wait_until(end_ns)
        text = fetch_finished(self._adapter, self._join(name), self._deadline_s)
        at_ns = now_ns()
        for word in _WORD.findall(text):
            self._write_down(Sighting(text=word), at_ns)

    def _follow(self, log: ProducerLog, start_ns: int, named: Callable[[str], None]) -> None:
        """What the log says of the session, until its clients are gone."""
        _wait_until(start_ns)
        name = self._request()

        def take(seen: Sighting, sent_ns: int | None) -> None:
            self._write_down(seen, now_ns(), sent_ns)
            named(name)

        log.claim(name, take)
        _wait_until(self._until_ns)
        if not self._count:
            raise Chunk7Error(f"the log has no line of the session {name}")

    def _keep(self, connection: TargetConnection, begun: Callable[[], None]) -> None:
        """Read until the answer's end, or until it is time to go; the first chunk tells `begun`."""
        try:
            while True:
                messages = connection.receive(self._deadline_s)
                at_ns = now_ns()
                for message in messages:
                    reading = self._reader.read(message)
                    for seen in reading.sightings:
                        self._write_down(seen, at_ns)
                        if self._count == 1:
                            begun()
                    if reading.kind == "end":
                        return
        except TimedOut:
            return
        except Closed as closed:
            if closed.code != END_OF_STREAM:
                raise  # what came after that nobody knows
        finally:
            connection.close(0.0)

    def _write_down(self, seen: Sighting, at_ns: int, sent_ns: int | None = None) -> None:
        """A row in `published` and one in `texts`; none for a chunk that is here already.

        It was there no later than `at_ns`; `sent_ns` is when it was sent, if that is known.
        """
        named = seen.seq if seen.index is None else (seen.message_id, seen.index)
        if named is not None and named in self._known:
            return
        self._known.add(named)
        self._count += 1
        session_id = self._session.session_id
        message_id = seen.message_id or f"{session_id}-answer"
        index = self._count - 1 if seen.index is None else seen.index
        seq, text = seen.seq or self._count, seen.text or ""
        cell = self._session.cell
        self._recorder.add(
            "published",
            cell=cell,
            write=self._write,
            session_id=session_id,
            message_id=message_id,
            index=index,
            seq=seq,
            digest=digest(message_id, index, text, False),
            final=False,
            intended_ns=at_ns,
            started_ns=at_ns,
            publish_sent_ns=sent_ns,
            publish_done_ns=sent_ns,
            save_sent_ns=at_ns if sent_ns is None else None,
            save_done_ns=at_ns if sent_ns is None else None,
        )
        self._recorder.add_row("texts", (cell, session_id, message_id, index, seq, False, text))


def _wait_until(at_ns: int) -> None:
    gevent.sleep(max(0.0, (at_ns - now_ns()) / 1e9))
