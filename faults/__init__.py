"""The faults that the explorer lets strike, one file each.

To add one: write the file, name it here. Each strikes at most once in a schedule, at any moment.
May import: delivery.
"""

from chunk7.faults.fault import Fault
from chunk7.faults.node_crash_and_rejoin import NodeCrashAndRejoin
from chunk7.faults.producer_timeout import ProducerTimeout
from chunk7.faults.slow_client import SlowClient
from chunk7.faults.store_reconnect import StoreReconnect
from chunk7.faults.trim import Trim

FAULTS: dict[str, Fault] = {
    "store_reconnect": StoreReconnect(),
    "node_crash_and_rejoin": NodeCrashAndRejoin(),
    "trim": Trim(),
    "slow_client": SlowClient(),
    "producer_timeout": ProducerTimeout(),
}
