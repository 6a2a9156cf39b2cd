"""Judges a load test while it runs: again and again, from the records as they grow.

A load test is rounds (docs/live.md). The producer's records say where each begins and ends and
whose sessions are its own; nothing else needs to be asked. `Live.advance` reads what came, hands
it to the rounds, and judges those that got something, by the same code as a finished run.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import msgspec
import pyarrow as pa

from chunk7.analysis.faults import is_conductor
from chunk7.analysis.live.records import Fresh, Records, told
from chunk7.analysis.live.round import AFTER_NS, LiveRound
from chunk7.analysis.manifest import Traits
from chunk7.analysis.results import NAME as SUMMARY
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.study import study
from chunk7.analysis.totals import Kept, keep
from chunk7.delivery.errors import RecordError
from chunk7.wire.account import Explored
from chunk7.wire.plan import Plan

MOST_ROWS = 5_000_000
"""Of a round that is judged while it runs; more would need too much time and memory."""
MOST_CONNECTIONS = 100_000
"""Whose numbers are kept; of older rounds only the counters and their folders remain."""
GIVE_UP_NS = 10_000_000_000
"""After a round's end: who has not written anything since then is taken to be dead."""
SILENT_NS = 3_000_000_000
"""Everybody writes once a second; who is this far behind the others does not any more."""
_RUN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Judged:
    """A round as last judged. `test` counts load tests; a round's `number` counts within one.

    `kept` is None before its first connection, and when it has become too large or too old.
    """

    run: str
    test: int
    number: int
    began_ns: int
    over: bool
    kept: Kept | None
    invalid_because: tuple[str, ...]


class Live:
    """The judge of one run folder's records. `traits` are those of every connect ordering known,
    `explored` what is known of pairs, by cell's name.

    `rounds` is replaced, never changed, so that it may be read while a pass is under way.
    `forgotten` counts rounds whose numbers are no longer kept.
    """

    def __init__(
        self,
        run_dir: Path,
        traits: Mapping[str, Traits],
        explored: Mapping[str, Explored] = MappingProxyType({}),
    ) -> None:
        self._folder = run_dir / "rounds"
        self._records = Records(run_dir / "raw")
        self._traits = traits
        self._explored = explored
        self._open: dict[str, LiveRound] = {}
        self.rounds: tuple[Judged, ...] = ()
        self.forgotten = 0
        self.damaged: tuple[str, ...] = ()
        self.judged_at_unix_s = 0.0
        self.lag_s = 0.0

    def advance(self, last: bool = False) -> bool:
        """Read all that came and judge; whether there was anything. `last`: close every round."""
        came = False
        while fresh := self._records.look():
            came = True
            self._begin_and_stop(fresh)
            for rows in fresh:
                shift_ns = self._records.shift_ns(rows.process)
                for round_ in self._open.values():
                    if rows.table != "clocks":
                        round_.take(rows, shift_ns)
        self.damaged = told(self._records.damaged)
        for round_ in list(self._open.values()):
            self._judge(round_, last)
        if came:
            self.judged_at_unix_s = time.time()
            self.lag_s = max(0.0, self.judged_at_unix_s - self._records.written_unix_s)
        return came

    @property
    def settled(self) -> bool:
        """Whether every round is over, and judged for the last time."""
        return not self._open

    # --- beginning and end ---

    def _begin_and_stop(self, fresh: list[Fresh]) -> None:
        for rows in fresh:
            if rows.table != "events":
                continue
            shift_ns = self._records.shift_ns(rows.process)
            for event in rows.rows().to_pylist():
                if event["kind"] == "order":
                    self._begin(event["detail"] or "", event["at_ns"] + shift_ns)
                elif event["kind"] == "order_stopped" and event["detail"] in self._open:
                    self._open[event["detail"]].end(event["at_ns"] + shift_ns)

    def _begin(self, detail: str, at_ns: int) -> None:
        try:
            plan = msgspec.json.decode(detail, type=Plan)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # no plan of ours: its sessions are nobody's
        known = {judged.run for judged in self.rounds}
        if not _RUN_NAME.fullmatch(plan.run) or plan.run in known or not plan.cells:
            return
        for earlier in self._open.values():
            earlier.end(at_ns)
        last = self.rounds[-1] if self.rounds else None
        test = 1 if last is None else last.test + (plan.number <= last.number)
        judged = Judged(plan.run, test, plan.number, at_ns, False, None, ())
        folder = self._folder / plan.run
        if (folder / SUMMARY).exists():  # judged before we were started again
            self._put(self._judged_before(judged, folder))
            return
        self._open[plan.run] = LiveRound(folder, plan, at_ns, self._traits, self._explored)
        self._put(judged)

    def _judged_before(self, judged: Judged, folder: Path) -> Judged:
        try:
            again = study(load_run(folder), running=True)
        except RecordError as error:
            return replace(judged, over=True, invalid_because=(str(error),))
        return replace(judged, over=True, kept=keep(again))

    def _is_over(self, round_: LiveRound) -> bool:
        """Whether all is written down that ever will be."""
        after_ns, latest_ns = round_.ended_ns + AFTER_NS, self._latest_ns()
        if max(latest_ns.values(), default=0) > round_.ended_ns + GIVE_UP_NS:
            return True
        silent = [
            process
            for process in round_.processes - round_.silenced - self._records.ended
            if latest_ns.get(process, 0) <= after_ns
        ]
        return not silent and not round_.open_count and bool(round_.processes)

    def _whole(self, round_: LiveRound) -> frozenset[str]:
        """Those whose records of the round have their end."""
        latest_ns = self._latest_ns()
        lived = {name for name, at_ns in latest_ns.items() if at_ns >= round_.ended_ns}
        lived |= {name for name in round_.processes if is_conductor(name)}
        return round_.processes & (lived | self._records.ended)

    def _recorded_until_ns(self, round_: LiveRound) -> int:
        """Up to when all who still write have written."""
        latest_ns = self._latest_ns()
        newest_ns = max(latest_ns.values(), default=round_.began_ns)
        writing = [
            at_ns
            for process, at_ns in latest_ns.items()
            if process in round_.processes - self._records.ended and at_ns > newest_ns - SILENT_NS
        ]
        return max(round_.began_ns, min(writing, default=newest_ns))

    def _latest_ns(self) -> dict[str, int]:
        latest = self._records.latest_ns
        return {name: at_ns + self._records.shift_ns(name) for name, at_ns in latest.items()}

    # --- judging ---

    def _judge(self, round_: LiveRound, last: bool) -> None:
        if last:
            round_.end(self._recorded_until_ns(round_))
        over = last or self._is_over(round_)
        if not over and not round_.fresh:
            return
        before = self._of(round_)
        against = (*self._strangers(round_), *self.damaged)
        clocks = self._records.clocks
        judged = replace(before, over=over)
        try:
            if not over and not round_.has_connections:
                judged = replace(judged, invalid_because=against)
            elif round_.rows > MOST_ROWS:
                line = f"too large to be judged while it runs: more than {MOST_ROWS} records"
                judged = replace(judged, invalid_because=(line,))
            else:
                whole = self._whole(round_)
                found = round_.close(against, clocks, whole) if over else (
                    round_.judge(against, clocks)
                )  # fmt: skip
                lines = tuple(found.summary.invalid_because)
                judged = replace(judged, kept=keep(found), invalid_because=lines)
        except (RecordError, pa.ArrowException, OSError) as error:
            judged = replace(judged, invalid_because=(*against, str(error).split("\n")[0]))
        if over:
            del self._open[round_.plan.run]
        self._put(judged)

    def _strangers(self, round_: LiveRound) -> tuple[str, ...]:
        """What is missing to judge by."""
        names = sorted({cell.connect for cell in round_.plan.cells} - self._traits.keys())
        return tuple(f"{name}: an ordering that the judge was not told of" for name in names)

    # --- keeping ---

    def _of(self, round_: LiveRound) -> Judged:
        return next(judged for judged in self.rounds if judged.run == round_.plan.run)

    def _put(self, judged: Judged) -> None:
        rounds = [*self.rounds]
        places = [place for place, other in enumerate(rounds) if other.run == judged.run]
        if places:
            rounds[places[0]] = judged
        else:
            rounds.append(judged)
        while _size(rounds) > MOST_CONNECTIONS and len(rounds) > 1 and rounds[0].over:
            rounds.pop(0)
            self.forgotten += 1
        self.rounds = tuple(rounds)


def _size(rounds: list[Judged]) -> int:
    """Connections kept, and one for each round itself."""
    return sum(1 + (0 if each.kept is None else len(each.kept.connections)) for each in rounds)
