"""What the producer writes down and counts: records, metrics, totals, and one warning a second."""

import asyncio
import logging
from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from chunk7.delivery.errors import RecordError, UsageError
from chunk7.producer.metrics import ProducerMetrics
from chunk7.producer.written import Written, row_of, text_row
from chunk7.wire.clock import now_ns
from chunk7.wire.lag import LagMonitor
from chunk7.wire.recorder import Recorder

FLUSH_EVERY_S = 1.0
HURRIED_FLUSHES = 10
"""In that time, of a producer that may be killed: what it has not flushed dies with it."""
log = logging.getLogger("producer")


@dataclass(slots=True)
class Totals:
    """What became of all chunks so far."""

    chunks: int = 0
    published: int = 0
    saved: int = 0
    without_receivers: int = 0
    errors: int = 0


class Journal:
    """Takes every finished chunk and every event; writes them down every second in `keep`.

    Without a recorder it only counts. `under_way` is how many chunks are being written;
    `may_be_killed`: somebody plans to, so what is known is written down without delay.
    """

    def __init__(
        self, recorder: Recorder | None, metrics: ProducerMetrics, keeps_texts: bool = False
    ) -> None:
        self._recorder = recorder
        self._keeps_texts = keeps_texts
        self.metrics = metrics
        self.totals = Totals()
        self.under_way = 0
        self.may_be_killed = False
        self._unheard: Tally[str] = Tally()
        self._failures: Tally[str] = Tally()
        self._lag = LagMonitor()
        self._process = psutil.Process()

    def written(self, written: Written, text: str) -> None:
        """A chunk's write ordering has ended or failed; `text` is what the chunk says."""
        totals, metrics, write = self.totals, self.metrics, written.write
        totals.chunks += 1
        metrics.lateness.observe((written.started_ns - written.intended_ns) / 1e9)
        if written.publish_done_ns is not None:
            totals.published += 1
            metrics.published.labels(write).inc()
        if written.save_done_ns is not None:
            totals.saved += 1
            metrics.saved.labels(write).inc()
        if written.receivers is not None:
            metrics.count_publish(write, written.receivers)
        if written.receivers == 0:
            totals.without_receivers += 1
            self._unheard[written.session_id] += 1
        if written.error is not None:
            totals.errors += 1
            metrics.errors.labels(write).inc()
            self._failures[written.error] += 1
        if self._recorder is not None:
            self._recorder.add_row("published", row_of(written))
            if self._keeps_texts:
                self._recorder.add_row("texts", text_row(written, text))

    def event(self, kind: str, session_id: str | None = None, detail: str | None = None) -> None:
        """Something apart from the plan; docs/protocol.md names the kinds."""
        if self._recorder is not None:
            self._recorder.add(
                "events", at_ns=now_ns(), kind=kind, session_id=session_id, detail=detail
            )

    def clock(self, offset_ns: int, uncertainty_ns: int) -> None:
        """Our clock against the store's (chunk7.wire.clock.measure_offset)."""
        if self._recorder is not None:
            self._recorder.add(
                "clocks", at_ns=now_ns(), offset_ns=offset_ns, uncertainty_ns=uncertainty_ns
            )

    async def keep(self) -> None:
        """Every second, for ever: health, what reached nobody, what failed, and the flush."""
        self._lag.start()
        try:
            while True:
                for _ in range(HURRIED_FLUSHES):
                    await asyncio.sleep(FLUSH_EVERY_S / HURRIED_FLUSHES)
                    if self.may_be_killed:
                        self._write_down()
                self._note_health()
                self.flush()
        finally:
            self._lag.stop()

    def flush(self) -> None:
        """Write down what has gathered. Raises RecordError when the folder takes no more."""
        self._note_unheard()
        self._warn_of_failures()
        self._write_down()

    def close(self) -> None:
        """Flush, and mark the records as complete. Raises RecordError as `flush` does."""
        self._note_health()
        self.flush()
        if self._recorder is not None:
            with _named_errors():
                self._recorder.close()

    def _write_down(self) -> None:
        if self._recorder is not None:
            with _named_errors():
                self._recorder.flush()

    def _note_health(self) -> None:
        lag_ms = self._lag.take_ms()
        self.metrics.loop_lag.observe(lag_ms / 1_000)
        if self._recorder is not None:
            self._recorder.add(
                "health",
                at_ns=now_ns(),
                loop_lag_ms=lag_ms,
                rss_bytes=self._process.memory_info().rss,
                open_count=self.under_way,
            )

    def _note_unheard(self) -> None:
        unheard, self._unheard = self._unheard, Tally()
        for session_id, count in unheard.items():
            self.event("no_receivers", session_id, str(count))
        if unheard:
            log.warning(
                "PUBLISH reached 0 receivers %d times, in %d sessions",
                unheard.total(),
                len(unheard),
            )

    def _warn_of_failures(self) -> None:
        failures, self._failures = self._failures, Tally()
        if failures:
            error, count = failures.most_common(1)[0]
            log.warning(
                "%d chunks were not written; %d of them: %s", failures.total(), count, error
            )


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(f"--records: {error}") from error


def open_recorder(folder: Path, name: str) -> Recorder:
    """Records of the process `name` in a folder that has none of it yet; UsageError if it has."""
    found = sorted(folder.glob(f"{name}.*.arrows"))
    if found:
        raise UsageError(f"--records {folder}: already has {found[0].name}; give another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--records {folder}: {error.strerror}") from error
    return Recorder(folder, name)
