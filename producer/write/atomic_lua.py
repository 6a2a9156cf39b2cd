"""A Lua script: take the number, save and publish as one event.

Guarantee: numbers, history and publications are all in the same order, whoever produces, and no
client can ever see one without the others.
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import NumberSaveAndPublish
from chunk7.delivery.ordering import WriteSteps, write_ordering


@write_ordering()
def atomic_lua(chunk: Chunk) -> WriteSteps:
    yield NumberSaveAndPublish(chunk)
