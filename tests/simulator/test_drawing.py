"""A counter-example is drawn as the bug report draws its own."""

from dataclasses import replace

import pytest
from mutants import MUTANTS
from mutants.mutant import schedule

from chunk7.delivery.clients.deduplicates import Deduplicates
from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.drawing import draw, rerun
from chunk7.simulator.explore.drawing import drawn as drawn_run
from chunk7.simulator.explore.schedule import Failure, Schedule, Step
from chunk7.simulator.explore.search import explore
from chunk7.simulator.explore.state import ExploreCell

SOUND = ("subscribe_then_history", "atomic_lua")


@pytest.mark.parametrize(
    ("failure", "title", "mark"),
    [
        (Failure.DUPLICATING, "client1 gets chunk 1 twice", "<- 1 AGAIN"),
        (Failure.OUT_OF_ORDER, "client1 gets chunk 1 after 2", "<- 1 AFTER 2"),
        (Failure.REWINDING, "client1 goes back from chunk 2 to 1", "<- BACK from 2 to 1"),
    ],
)
def test_what_is_no_loss_is_drawn_with_a_mark_at_the_receipt(
    failure: Failure, title: str, mark: str
) -> None:
    cell = ExploreCell(*found(*SOUND), chunks=2)
    example = explore(cell).counterexamples[failure]
    drawing = draw(rerun(replace(cell, chunks=example.chunks), example), failure=failure)
    assert drawing.startswith(f"subscribe_then_history x atomic_lua: {title}\n")
    (line,) = (line for line in drawing.splitlines() if "<-" in line)
    assert line.endswith(mark)
    assert "LOST" not in drawing


def test_without_being_told_what_a_reader_minds_most_is_the_title() -> None:
    """Of 2, 1, 2: chunk 1 comes late, the text goes back, and 2 comes twice."""
    cell = ExploreCell(*found(*SOUND), chunks=2)
    drawing = draw(rerun(cell, explore(cell).counterexamples[Failure.REWINDING]))
    assert "client1 gets chunk 1 after 2\n" in drawing
    assert drawing.endswith(
        "client1 receives: 2, 1, 2\nclient1 receives again: 2\nclient1 receives late: 1\n"
    )


def test_two_appends_of_one_millisecond_are_told_apart() -> None:
    mutant = MUTANTS["counts_behind_the_dash"]
    drawing = draw(rerun(mutant.cell(2), explore(mutant.cell()).counterexample))
    assert "T5   append 2, in the same ms" in drawing
    assert drawing.endswith("client1 receives: 1\nChunk 2: LOST\n")


@pytest.mark.parametrize("width", [20, 33, 60, 80])
@pytest.mark.parametrize("faults", [(), ("store_kill_pubsub",)])
def test_a_narrow_drawing_says_the_same_in_lines_that_fit(
    faults: tuple[str, ...], width: int
) -> None:
    """The columns used to be wrapped by the terminal, into rubble."""
    cell = ExploreCell(*found("buffered_merge", "publish_then_save"), 1, 2, faults)
    run = rerun(cell, explore(cell).counterexample)
    narrow = drawn_run(run).text(width)
    assert max(map(len, narrow.splitlines())) <= width
    told = "".join(narrow.split())
    for step in drawn_run(run).steps:
        assert all("".join(field.split()) in told for field in step.fields)
        assert "".join(step.mark.split()) in told


def test_a_drawing_that_fits_is_as_it_was() -> None:
    cell = ExploreCell(*found("history_then_subscribe", "atomic_lua"), chunks=1)
    run = rerun(cell, explore(cell).counterexample)
    assert drawn_run(run).text(200) == draw(run)
    assert drawn_run(run).text(60) == (
        "history_then_subscribe x atomic_lua: client1 loses chunk 1\n"
        "\n"
        "T1   > node1     read history -> nothing\n"
        "       <- RISK WINDOW starts\n"
        "T2   | producer  number, save and publish 1 -> 0 receivers\n"
        "T3   | node1     send history\n"
        "T4   | node1     send SUBSCRIBE\n"
        "T5   > store     SUBSCRIBE takes effect  <- RISK WINDOW ends\n"
        "T6     node1     confirmed\n"
        "T7     node1     send welcome\n"
        "\n"
        "client1 receives: nothing\n"
        "Chunk 1: LOST\n"
    )


def found(connect: str, write: str) -> tuple[ConnectOrdering, WriteOrdering]:
    return CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write]


def drawn(connect: str, write: str, **options: object) -> str:
    options = {"chunks": 1} | options
    cell = ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write], **options)
    return draw(rerun(cell, explore(cell).counterexample))


def test_the_bug() -> None:
    assert drawn("history_then_subscribe", "publish_then_save") == (
        """\
history_then_subscribe x publish_then_save: client1 loses chunk 1

     producer                   store                    node1                     client1
T1   take a number for 1 -> 1
T2   publish 1 -> 0 receivers                                                                <- RISK WINDOW starts
T3                                                       read history -> nothing             |
T4   save 1                                                                                  |
T5                                                       send history                        |
T6                                                       send SUBSCRIBE                      |
T7                              SUBSCRIBE takes effect                                       <- RISK WINDOW ends
T8                                                       confirmed
T9                                                       send welcome

client1 receives: nothing
Chunk 1: LOST
"""  # noqa: E501 - a drawing is as wide as it is
    )


def test_the_recommended_fix_with_the_bug_reports_producer() -> None:
    drawing = drawn("subscribe_then_history", "publish_then_save")
    marked = [line.split("  ")[0] for line in drawing.splitlines() if "RISK" in line]
    assert marked == ["T2", "T7"]
    assert "T7   save 1" in drawing


def test_two_clients_of_one_node_share_its_subscription() -> None:
    drawing = drawn("buffered_merge", "publish_then_save", joiners=2)
    assert "[client2] share the subscription" in drawing
    assert drawing.endswith("client1 receives: nothing\nChunk 1: LOST\nclient2 receives: 1\n")


def test_a_fault_ends_the_risk_window_of_a_chunk_that_was_on_its_way() -> None:
    drawing = drawn("buffered_merge", "atomic_lua", faults=("store_kill_pubsub",))
    last = next(line for line in drawing.splitlines() if "RISK WINDOW ends" in line)
    assert " ".join(last.split()) == "T9 LOSES THE STORE, reconnects <- RISK WINDOW ends"


def test_a_chunk_that_comes_and_is_not_shown_is_lost_to_the_reader() -> None:
    client = Deduplicates(identity=lambda chunk: chunk.index)
    drawing = drawn("subscribe_then_history", "atomic_lua", client=client, chunks=3)
    assert "RISK WINDOW" not in drawing
    assert drawing.endswith(
        "client1 receives: 1, 2, 3\nChunk 3: received, and LOST to the reader\n"
    )


STREAMED = schedule(
    """
    producer next_seq 1
    node1.join1 read_stream
    node1.join1 send_history
    producer append 1
    node1.join1 follow
    node1.join1 tail
    node1.join1 send_welcome
    """
)


def test_a_schedule_that_loses_nothing() -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["redis_streams"], WRITE_ORDERINGS["stream_append"], chunks=1
    )
    run = rerun(cell, Schedule("redis_streams", "stream_append", 1, 1, (), STREAMED))
    assert draw(run) == (
        """\
redis_streams x stream_append: nothing is lost

     producer                   node1                    client1
T1   take a number for 1 -> 1
T2                              read stream -> nothing
T3                              send history
T4   append 1
T5                              follow the stream
T6                              pass on what is new      gets 1
T7                              send welcome

client1 receives: 1
"""
    )


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (STREAMED[:-1], "the schedule ends early: node1.join1 send_welcome is due"),
        (STREAMED[1:], "step 3: producer append cannot happen here"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(steps: tuple[Step, ...], says: str) -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["redis_streams"], WRITE_ORDERINGS["stream_append"], chunks=1
    )
    with pytest.raises(UsageError, match=says):
        rerun(cell, Schedule("redis_streams", "stream_append", 1, 1, (), steps))
