"""The client policies that are shipped, one a file. Adding one: a file here, a line below.

May import: delivery.
"""

from chunk7.delivery.client import ClientModel
from chunk7.delivery.clients.chat_client import ChatClient
from chunk7.delivery.clients.deduplicates import Deduplicates
from chunk7.delivery.clients.fills_gaps import FillsGaps
from chunk7.delivery.clients.last_id import KeepsLastId
from chunk7.delivery.clients.takes_all import TakesAll

CLIENTS: dict[str, ClientModel] = {
    "takes_all": TakesAll(),
    "deduplicates": Deduplicates(),
    "fills_gaps": FillsGaps(),
    "chat_client": ChatClient(),
    "last_id": KeepsLastId(),
}
"""By name. The first three are what a shipped ordering may ask for, as a `ClientPolicy`."""
