"""The write orderings, one file each. To add one: write the file, name it here."""

from chunk7.delivery.ordering import WriteOrdering
from chunk7.producer.write.atomic_lua import atomic_lua
from chunk7.producer.write.atomic_multi import atomic_multi
from chunk7.producer.write.publish_then_save import publish_then_save
from chunk7.producer.write.save_then_publish import save_then_publish
from chunk7.producer.write.stream_append import stream_append

WRITE_ORDERINGS: dict[str, WriteOrdering] = {
    "publish_then_save": publish_then_save,
    "save_then_publish": save_then_publish,
    "atomic_multi": atomic_multi,
    "atomic_lua": atomic_lua,
    "stream_append": stream_append,
}
