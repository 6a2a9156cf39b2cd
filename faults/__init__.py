"""The faults, one file each. To add one: write the file, name it here (docs/extending.md).

May import: delivery, wire. `fault.py` says what a fault can be asked.
"""

from chunk7.faults.fault import Fault, Spells, Strikes, Wording
from chunk7.faults.node_kill import NodeKill
from chunk7.faults.producer_timeout import ProducerTimeout
from chunk7.faults.slow_client import SlowClient
from chunk7.faults.store_kill_pubsub import StoreKillPubsub
from chunk7.faults.trim import Trim

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        StoreKillPubsub(),
        NodeKill(),
        Trim(),
        SlowClient(),
        ProducerTimeout(),
    )
}

STRIKES: dict[str, Strikes] = {
    n: fault for n, fault in FAULTS.items() if isinstance(fault, Strikes)
}
"""Those that explore and reproduce know."""

SPELLS: dict[str, Spells] = {n: f for n, f in FAULTS.items() if isinstance(f, Spells)}
"""Those that simulate knows."""

EFFECTS: dict[str, Wording] = {
    effect: wording for fault in STRIKES.values() for effect, wording in fault.effects.items()
}
"""The steps of all that strike; no two faults share one."""
