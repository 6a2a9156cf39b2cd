"""The faults, one file each. To add one: write the file, name it here (docs/extending.md).

May import: delivery, wire. `fault.py` says what a fault can be asked, `live.py` what it can do to a
cluster that runs, `schedule.py` when it does.
"""

from chunk7.faults.client_leave import ClientLeave
from chunk7.faults.client_leave_popping import ClientLeavePopping
from chunk7.faults.client_reconnect_storm import ClientReconnectStorm
from chunk7.faults.deaf_all_nodes import DeafAllNodes
from chunk7.faults.deaf_node import DeafNode
from chunk7.faults.deaf_node_for_ever import DeafNodeForEver
from chunk7.faults.evict import Evict
from chunk7.faults.evict_key import EvictKey
from chunk7.faults.expire import Expire
from chunk7.faults.fault import Fault, Spells, Strikes, Wording
from chunk7.faults.live import StrikesLive
from chunk7.faults.network_cut import NetworkCut
from chunk7.faults.node_drain import NodeDrain
from chunk7.faults.node_kill import NodeKill
from chunk7.faults.node_pause import NodePause
from chunk7.faults.producer_crash import ProducerCrash
from chunk7.faults.producer_kill import ProducerKill
from chunk7.faults.producer_timeout import ProducerTimeout
from chunk7.faults.producer_zombie import ProducerZombie
from chunk7.faults.proxy_reload import ProxyReload
from chunk7.faults.same_as import SAME_AS
from chunk7.faults.slow_client import SlowClient
from chunk7.faults.stale_read import StaleRead
from chunk7.faults.stale_read_any import StaleReadAny
from chunk7.faults.store_failover import StoreFailover
from chunk7.faults.store_failover_behind import StoreFailoverBehind
from chunk7.faults.store_kill_pubsub import StoreKillPubsub
from chunk7.faults.store_latency import StoreLatency
from chunk7.faults.store_pause import StorePause
from chunk7.faults.store_restart import StoreRestart
from chunk7.faults.store_restart_empty import StoreRestartEmpty
from chunk7.faults.trim import Trim

__all__ = ("EFFECTS", "FAULTS", "LIVE", "SAME_AS", "SPELLS", "STRIKES")

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        NodeKill(),
        NodePause(),
        NodeDrain(),
        StoreRestart(),
        StoreRestartEmpty(),
        StoreKillPubsub(),
        StoreLatency(),
        StorePause(),
        StoreFailover(),
        StoreFailoverBehind(),
        NetworkCut(),
        DeafNode(),
        DeafNodeForEver(),
        DeafAllNodes(),
        StaleRead(),
        StaleReadAny(),
        Evict(),
        EvictKey(),
        Expire(),
        Trim(),
        ProxyReload(),
        SlowClient(),
        ClientReconnectStorm(),
        ClientLeave(),
        ClientLeavePopping(),
        ProducerTimeout(),
        ProducerCrash(),
        ProducerZombie(),
        ProducerKill(),
    )
}

STRIKES: dict[str, Strikes] = {
    n: fault for n, fault in FAULTS.items() if isinstance(fault, Strikes)
}
"""Those that explore and reproduce know."""

SPELLS: dict[str, Spells] = {n: f for n, f in FAULTS.items() if isinstance(f, Spells)}
"""Those that simulate knows."""

LIVE: dict[str, StrikesLive] = {n: f for n, f in FAULTS.items() if isinstance(f, StrikesLive)}
"""Those that strike a cluster that runs."""

EFFECTS: dict[str, Wording] = {
    effect: wording for fault in STRIKES.values() for effect, wording in fault.effects.items()
}
"""The steps of all that strike; no two faults share one."""
