"""python-socketio #1581 and open-webui #25975: the answer is stored, and nobody hears of it."""

from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell

MERGE = CONNECT_ORDERINGS["buffered_merge"]
FILL = CONNECT_ORDERINGS["sequence_gap_fill"]
SAVED_FIRST = WRITE_ORDERINGS["save_then_publish"]
TWICE = (Failure.DUPLICATING, Failure.OUT_OF_ORDER, Failure.REWINDING)


CASE = FieldCase(
    name="python_socketio_1581",
    title="python-socketio: seven of eight listeners come back, and the answer is in the database",
    links=(
        "https://github.com/miguelgrinberg/python-socketio/issues/1581",
        "https://github.com/open-webui/open-webui/issues/25975",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported, the eighth worker",
            "is deaf for good, and serves its clients",
            ExploreCell(MERGE, SAVED_FIRST, chunks=2, faults=("deaf_node_for_ever",)),
            Failure.LOSSY,
        ),
        variant(
            "as reported, the other seven",
            "subscribe again; what was published meanwhile is gone",
            ExploreCell(MERGE, SAVED_FIRST, chunks=2, faults=("store_kill_pubsub",)),
            Failure.LOSSY,
        ),
        variant(
            "mended",
            "heartbeats say how far the answer is; the client fetches what it lacks, shows it once",
            ExploreCell(FILL, SAVED_FIRST, chunks=2, faults=("deaf_node_for_ever",)),
            *TWICE,
        ),
    ),
    live=(
        "chunk7 explore --connect buffered_merge --write save_then_publish --chunks 2"
        " --faults deaf_node_for_ever --out build/python_socketio",
        "chunk7 reproduce --schedule build/python_socketio/*-lossy.json",
    ),
)
