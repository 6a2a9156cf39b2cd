"""kestra #16651: who registers late waits for an end that has been."""

from chunk7.delivery.effects import Confirmed, SendWelcome, Subscribe
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@connect_ordering()
def only_registers(join: Join) -> ConnectSteps:
    """Hears what comes from now on."""
    yield Subscribe()
    yield Confirmed()
    yield SendWelcome()


SAVED_FIRST = WRITE_ORDERINGS["save_then_publish"]
LOOKS, TOO = (
    CONNECT_ORDERINGS["subscribe_then_history"],
    "registers, then looks into the store once",
)


CASE = FieldCase(
    name="kestra_16651",
    title="kestra: who registers late waits for an end that has been",
    links=("https://github.com/kestra-io/kestra/pull/16651",),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "registers; what was sent before is gone",
            ExploreCell(only_registers, SAVED_FIRST, chunks=2),
            Failure.LOSSY,
        ),
        variant(
            "as merged",
            f"{TOO}; to be told twice is harmless",
            ExploreCell(LOOKS, SAVED_FIRST, chunks=2),
            Failure.DUPLICATING,
            Failure.OUT_OF_ORDER,
            Failure.REWINDING,
        ),
        variant(
            "as merged, if the end were sent before it is stored",
            TOO,
            ExploreCell(LOOKS, WRITE_ORDERINGS["publish_then_save"], chunks=2),
            Failure.LOSSY,
            Failure.DUPLICATING,
            Failure.OUT_OF_ORDER,
            Failure.REWINDING,
        ),
    ),
    live=(
        "chunk7 explore --connect field_cases/kestra_16651/__init__.py:only_registers"
        " --write save_then_publish --chunks 2 --out build/kestra",
        "chunk7 reproduce --schedule build/kestra/*-lossy.json",
    ),
)
