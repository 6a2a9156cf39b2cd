"""What each ordering survives: `make survival` strikes real clusters and explores the same faults.

For each fault one `chunk7 run` of every pair, each struck once, and one `chunk7 explore` of every
pair with that fault. Where both speak they must agree: what a run lost, exploring must find a
schedule for. A run that is not valid is made once more, and its second outcome stands. The tables
in docs/survival.md are written anew between their markers, without the faults whose run failed.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

import chunk7
from chunk7.analysis.study import Study
from chunk7.delivery.errors import Chunk7Error, Interrupted
from chunk7.exploration import survival
from chunk7.faults import FAULTS
from chunk7.faults.fault import StrikesOthers
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS

PAGE = Path(__file__).parents[1] / "docs" / "survival.md"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
NONE = "none"
SPECS = {
    NONE: "",
    "node_kill": "node_kill@1s:for=700ms",
    "node_pause": "node_pause@1s:for=700ms",
    "node_drain": "node_drain@1s",
    "proxy_reload": "proxy_reload@1s",
    "client_reconnect_storm": "client_reconnect_storm@1s",
    "slow_client": "slow_client@1s:for=700ms",
    "client_leave": "client_leave@1s",
    "store_latency": "store_latency@1s:for=700ms,ms=80",
    "store_pause": "store_pause@1s:for=700ms",
    "network_cut": "network_cut@1s:for=700ms",
    "store_kill_pubsub": "store_kill_pubsub@1s",
    "deaf_node": "deaf_node@1s:for=700ms",
    "deaf_all_nodes": "deaf_all_nodes@1s:for=700ms",
    "stale_read": "stale_read@1s:for=1s",
    "store_restart": "store_restart@1s",
    "store_failover": "store_failover@1s",
    "store_restart_empty": "store_restart@1s:persist=no",
    "evict": "evict@1s",
    "expire": "expire@1s",
    "trim": "trim@1s",
    "producer_kill": "producer_kill@1s:for=500ms",
}
"""By the name in the table, what a run is struck with."""
WRITES = ("save_then_publish", "atomic_lua", "stream_append")
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one fault and pair. `lost`, `undetermined` of `expected` chunks, live; `verdict` is
    exploring's. `price`: commands a join and a chunk."""

    fault: str
    connect: str
    write: str
    expected: int
    lost: int
    undetermined: int
    causes: dict[str, int]
    valid: bool
    verdict: str
    price: tuple[float | None, float | None]

    @property
    def contradicts(self) -> bool:
        """The run lost what exploring calls impossible."""
        return self.lost > 0 and self.verdict == "keeps"

    @property
    def cell(self) -> str:
        """As the table has it."""
        doubt = "" if self.valid else "?"
        lost = f"**{self.lost}**" if self.lost else "0"
        undetermined = f" +{self.undetermined}" if self.undetermined else ""
        able = {"keeps": "never", "loses": "can", "unknown": "unknown"}[self.verdict]
        return f"{lost}{undetermined}{doubt} / {able}{' !' if self.contradicts else ''}"


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write the page; 1 if a run contradicts exploring, or failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.survival", description=__doc__)
    parser.add_argument("--faults", default=",".join(SPECS), help="names, with commas")
    parser.add_argument("--duration", type=float, default=3.0, help="seconds a pair")
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--no-page", action="store_true", help="print only")
    args = parser.parse_args(words)
    names = args.faults.split(",")
    if not set(names) <= set(SPECS):
        parser.error(f"--faults: of {', '.join(SPECS)}")
    outcomes: list[Outcome] = []
    failed: list[str] = []
    for name in names:
        try:
            found = list(outcomes_of(name, args.duration, args.users, args.seed))
        except Interrupted:
            raise
        except Chunk7Error as error:  # the others' minutes were not in vain
            failed.append(name)
            sys.stderr.write(f"{name}: {error}\n")
        else:
            rows = (msgspec.json.encode(asdict(one)).decode() for one in found)
            sys.stderr.write("".join(f"{row}\n" for row in rows))
            outcomes += found
    text = page_text(outcomes, f"--duration {args.duration:g} --users {args.users} ")
    sys.stdout.write(text)
    if failed:
        sys.stderr.write(f"not in the table, as its run failed: {', '.join(failed)}\n")
    if outcomes and not args.no_page:
        write_page(text)
    return int(bool(failed) or any(one.contradicts for one in outcomes))


def outcomes_of(name: str, duration_s: float, users: int, seed: int) -> Iterable[Outcome]:
    """Run and explore every pair under one fault."""
    verdicts = explored(name)
    study = struck(SPECS[name], duration_s, users, seed)
    if not study.summary.valid:
        because = "; ".join(study.summary.invalid_because)
        sys.stderr.write(f"{name}: once more, as the run was not valid: {because}\n")
        study = struck(SPECS[name], duration_s, users, seed)
    for result in study.summary.results:
        yield Outcome(
            name,
            result.connect,
            result.write,
            result.chunks_expected,
            result.chunks_lost,
            result.chunks_undetermined,
            {cause: count for cause, count in result.causes.items() if count},
            study.summary.valid,
            verdicts[result.connect, result.write],
            (result.commands_per_connection, result.commands_per_chunk),
        )


def explored(name: str) -> dict[Pair, str]:
    """The verdict of each pair under this fault, or under what stands for it."""
    faults = ["store_pause" if name == NONE else name]  # which explores the pair alone
    joiners = 2 if isinstance(FAULTS.get(name), StrikesOthers) else 1
    return {
        (one.connect, one.write): one.without_fault if name == NONE else one.verdict
        for one in survival((), WRITES, faults, joiners=joiners)
    }


def struck(spec: str, duration_s: float, users: int, seed: int) -> Study:
    """A run of every pair, struck so; raises what `chunk7.run` raises."""
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"fault": [spec]} if spec else {}
        return chunk7.run(
            [*CONNECT_ORDERINGS],
            WRITES,
            **options,
            duration_s=duration_s,
            users=users,
            seed=seed,
            no_report=True,
            out=Path(folder) / "run",
        )


def page_text(outcomes: Sequence[Outcome], options: str) -> str:
    """A table for each write ordering, and what was done."""
    lines = [f"`python -m benchmarks.survival {options.strip()}`", ""]
    for write in [w for w in WRITE_ORDERINGS if w in {one.write for one in outcomes}]:
        lines += [*_table([one for one in outcomes if one.write == write], write), ""]
    against = [one for one in outcomes if one.contradicts]
    lines.append(
        f"{len(outcomes)} pairs of an ordering and a fault, {sum(o.expected for o in outcomes):,} "
        f"chunks expected; {len(against)} where a run lost what exploring calls impossible."
    )
    return "\n".join(lines) + "\n"


def _table(outcomes: Sequence[Outcome], write: str) -> list[str]:
    connects = list(dict.fromkeys(one.connect for one in outcomes))
    by_key = {(one.fault, one.connect): one for one in outcomes}
    faults = list(dict.fromkeys(one.fault for one in outcomes))
    lines = [
        f"### {write}",
        "",
        f"| fault | {' | '.join(connects)} |",
        "|---" * len(connects) + "|---|",
    ]
    lines += [
        f"| {'no fault' if fault == NONE else f'`{fault}`'} | "
        + " | ".join(by_key[fault, connect].cell for connect in connects)
        + " |"
        for fault in faults
    ]
    if NONE in faults:
        prices = [by_key[NONE, connect].price for connect in connects]
        lines.append("| commands a join, a chunk | " + " | ".join(map(_price, prices)) + " |")
    return lines


def _price(price: tuple[float | None, float | None]) -> str:
    return ", ".join("?" if part is None else f"{part:.1f}" for part in price)


def write_page(text: str) -> None:
    """Put the tables between the page's markers."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
