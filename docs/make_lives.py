"""Write the table of docs/the-race.md that says which ordering survives which kind of life.

python docs/make_lives.py
"""

from dataclasses import replace
from pathlib import Path

from chunk7.delivery.life import ProducerLife, Retry
from chunk7.delivery.replica import Replica
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.search import SearchLimits, explore
from chunk7.simulator.explore.state import ExploreCell

PAGE = Path(__file__).with_name("the-race.md")
BEGIN, END = "<!-- lives -->\n", "<!-- end of lives -->\n"
LIVES: dict[str, dict[str, object]] = {
    "nothing special": {},
    "two producers of one session": {"life": ProducerLife(writers=2)},
    "a write begins before the last has ended": {"life": ProducerLife(overlap=2)},
    "a reply is lost, the command repeated": {
        "life": ProducerLife(retry=Retry.SAME),
        "faults": ("producer_timeout",),
    },
    "a reply is lost, the chunk written anew": {
        "life": ProducerLife(retry=Retry.NEW),
        "faults": ("producer_timeout",),
    },
    "the producer dies": {"faults": ("producer_crash",)},
    "history is read from a replica": {"replica": Replica.HISTORY},
    "all is on one replica": {"replica": Replica.ALL},
    "clients come again": {"faults": ("client_reconnect_storm",)},
    "the subscription is lost and renewed": {"faults": ("store_kill_pubsub",)},
    "the subscription is gone, unnoticed": {"faults": ("deaf_node",)},
    "the node is deaf for good": {"faults": ("deaf_node_for_ever",)},
    "a replica is promoted that lacks a write": {"faults": ("store_failover",)},
    "the store evicts the session": {"faults": ("evict",)},
    "its keys expire in the midst of it": {"faults": ("expire",)},
    "of two clients one leaves": {"faults": ("client_leave",), "joiners": 2, "chunks": 1},
    "it leaves with what it popped for both": {
        "faults": ("client_leave_popping",),
        "joiners": 2,
        "chunks": 1,
    },
}
ORDERINGS = [name for name in CONNECT_ORDERINGS if name != "history_then_subscribe"]


def verdict(connect: str, terms: dict[str, object]) -> str:
    """`loses`, `keeps`, or `twice`: it keeps all, and a client is sent something again."""
    write = "stream_append" if connect == "redis_streams" else "atomic_lua"
    cell = ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write], chunks=2)
    cell = replace(cell, **terms)  # type: ignore[arg-type]
    tally = explore(cell, SearchLimits(10**7, 600)).search.tally
    if tally.lossy:
        return "**loses**"
    return "twice" if tally.duplicating else "keeps"


def table() -> str:
    """The rows are lives, the columns connect orderings."""
    lines = [
        f"| | {' | '.join(f'`{name}`' for name in ORDERINGS)} |",
        f"|---|{'---|' * len(ORDERINGS)}",
    ]
    for life, terms in LIVES.items():
        lines.append(f"| {life} | {' | '.join(verdict(name, terms) for name in ORDERINGS)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compute, and write."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}")
    print(f"wrote {PAGE.name}")  # noqa: T201


if __name__ == "__main__":
    main()
