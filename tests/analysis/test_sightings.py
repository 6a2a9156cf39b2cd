"""What a target's users saw becomes receipts, and all that is made of receipts works as ever."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from story import Story, ns

from chunk7.analysis.gather import gather
from chunk7.analysis.manifest import TargetFacts
from chunk7.analysis.report.markdown import render_markdown
from chunk7.analysis.report.page import make_page
from chunk7.analysis.report.pictures import pictures
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.sightings import settle
from chunk7.analysis.study import analyse
from chunk7.analysis.verdicts import judge
from chunk7.delivery.chunk import digest
from chunk7.delivery.errors import RecordError
from chunk7.wire.records import read_back
from chunk7.wire.tables import Via

TEXTS = ("The ", "chunk ", "that ", "fell ", "between.")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "run")


def publish(story: Story, texts: tuple[str, ...] = TEXTS, **other: Any) -> None:
    """Publish them, 10 ms apart, and write down what they say."""
    session = other.get("session_id", "s")
    for n, text in enumerate(texts):
        final = n == len(texts) - 1
        content = {"message_id": "m", "index": n, "digest": digest("m", n, text, final)}
        story.chunk(n + 1, 10.0 * n, final=final, **content, **other)
        seq = n + 1 if other.get("numbered", True) else 0
        row = {"cell": 0, "session_id": session, "message_id": "m", "index": n}
        story.of("producer").add("texts", **row, seq=seq, final=final, text=text)


def see(story: Story, connection_id: int, pieces: list[Any], process: str = "locust") -> None:
    """Note pieces, 10 ms apart: texts, or columns of a sighting."""
    for n, piece in enumerate(pieces):
        row = {"text": piece} if isinstance(piece, str) else piece
        row = {"via": Via.LIVE, "at_ns": ns(100 + 10 * n)} | row
        story.of(process).add("sightings", connection_id=connection_id, **row)


def accounts(story: Story) -> dict[str, int]:
    """The first connection's."""
    return judge(load_run(story.folder)).accounts.iloc[0].to_dict()


def test_texts_alone_give_each_chunk_its_verdict(story: Story) -> None:
    publish(story)
    story.connection(1)
    see(story, 1, [*TEXTS[:2], *TEXTS[1:3], "nonsense", TEXTS[4]])
    gather(story.end())
    account = accounts(story)
    assert {name: account[name] for name in ("expected", "delivered", "lost", "duplicate")} == {
        "expected": 5, "delivered": 4, "lost": 1, "duplicate": 1,
    }  # fmt: skip
    assert account["unexpected"] == 1


def test_a_joined_history_is_a_receipt_a_chunk_at_one_instant(story: Story) -> None:
    publish(story)
    story.connection(1)
    see(story, 1, [{"text": "".join(TEXTS[:3]), "via": Via.HISTORY}, *TEXTS[3:]])
    gather(story.end())
    (receipts,) = load_run(story.folder).receipts()
    assert receipts.seq.tolist() == [1, 2, 3, 4, 5]
    assert receipts.via.tolist() == [0, 0, 0, 1, 1]
    assert len(set(receipts.at_ns[:3])) == 1


def test_how_a_connection_was_read_is_in_the_run_folder(story: Story) -> None:
    publish(story)
    story.connection(1)
    see(story, 1, [*TEXTS[:2], TEXTS[1], TEXTS[4], TEXTS[3]])
    gather(story.end())
    (row,) = pq.read_table(story.folder / "alignments.parquet").to_pylist()
    assert {name: row[name] for name in ("process", "connection_id", "session_id", "by")} == {
        "process": "locust", "connection_id": 1, "session_id": "s", "by": "text",
    }  # fmt: skip
    assert row["holes"] == [
        {
            "first_seq": 3, "last_seq": 3, "message_id": "m", "index": 2, "at_character": 10,
            "characters": 5, "at_ns": ns(130), "ambiguous": False,
        }
    ]  # fmt: skip
    assert [one["first_seq"] for one in row["repeats"]] == [2]
    assert [one["first_seq"] for one in row["swaps"]] == [4]


def test_settling_again_writes_the_same(story: Story) -> None:
    publish(story)
    story.connection(1)
    see(story, 1, list(TEXTS))
    raw = story.end() / "raw"
    settle(raw)
    files = [raw / "locust.receipts.arrows", raw.parent / "alignments.parquet"]
    before = [path.read_bytes() for path in files]
    settle(raw)
    assert [path.read_bytes() for path in files] == before


def test_receipts_carry_the_process_and_the_boot_of_the_sightings(story: Story) -> None:
    publish(story)
    story.connection(1)
    see(story, 1, list(TEXTS))
    raw = story.end() / "raw"
    settle(raw)
    made, seen = (read_back(raw / f"locust.{name}.arrows") for name in ("receipts", "sightings"))
    assert (made.process, made.boot_id, made.complete) == (seen.process, seen.boot_id, True)


def test_a_killed_load_generator_is_as_incomplete_as_its_sightings(story: Story) -> None:
    publish(story)
    story.connection(1, end=False)
    see(story, 1, list(TEXTS[:3]))
    gather(story.end("locust"))
    account = accounts(story)
    assert (account["delivered"], account["lost"], account["undetermined"]) == (3, 0, 2)


def test_a_process_without_sightings_gets_no_receipts_of_others(story: Story) -> None:
    publish(story)
    story.connection(1)
    story.connection(2, process="locust-2")
    see(story, 1, list(TEXTS))
    see(story, 2, list(TEXTS[:1]), process="locust-2")
    gather(story.end())
    counted = judge(load_run(story.folder)).accounts["delivered"].to_list()
    assert counted == [5, 1]


def test_a_chunk_that_was_never_numbered_is_found_by_its_text(story: Story) -> None:
    """The reply that bears the number was lost: neither record knows it, the receipts tell."""
    publish(story, numbered=False)
    story.connection(1)
    see(story, 1, list(TEXTS))
    gather(story.end())
    assert accounts(story)["delivered"] == 5


def test_what_a_dead_producer_did_not_write_down_is_held_against_nobody(story: Story) -> None:
    publish(story, TEXTS[:3])
    story.connection(1)
    see(story, 1, list(TEXTS))
    gather(story.end("producer"))
    account = accounts(story)
    # The third is recorded as no final one, as nobody knew yet that it would not be.
    assert (account["unrecorded"], account["unexpected"]) == (2, 0)


def test_a_session_whose_texts_nobody_knows_is_all_unexpected(story: Story) -> None:
    publish(story, session_id="other")
    story.connection(1)
    see(story, 1, ["The ", {"seq": 2, "text": "chunk "}])
    gather(story.end())
    account = accounts(story)
    assert (account["unexpected"], account["expected"]) == (2, 0)


def test_a_chunk_of_another_session_is_unexpected_even_with_a_number_that_fits(
    story: Story,
) -> None:
    publish(story)
    story.connection(1)
    see(story, 1, [{"session_id": "s2", "seq": 1, "message_id": "m", "index": 0, "text": "The "}])
    gather(story.end())
    assert accounts(story)["unexpected"] == 1


# --- going on ------------------------------------------------------------------------------


def resume(story: Story, pieces: list[Any], said: dict[str, Any]) -> dict[str, int]:
    """Connection 1 gets `pieces`, connection 2 goes on from it with the rest of the answer."""
    publish(story)
    story.connection(1)
    story.connection(2, open_ms=200)
    see(story, 1, pieces)
    story.of("locust").add("resumes", connection_id=2, previous=1, **said)
    see(story, 2, list(TEXTS[len(pieces) :]))
    gather(story.end())
    run = load_run(story.folder)
    account = judge(run).accounts.iloc[1].to_dict()
    return {"after_seq": int(run.connections["after_seq"].iloc[1])} | account


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([*TEXTS[:2]], {"seq": 2}),
        ([{"text": "The ", "id": "7-0"}, {"text": "chunk ", "id": "8-0"}], {"id": "8-0"}),
        ([*TEXTS[:2]], {"index": 1}),
    ],
    ids=["number", "id", "index"],
)
def test_a_client_that_goes_on_is_owed_what_comes_after(
    story: Story, pieces: list[Any], said: dict[str, Any]
) -> None:
    account = resume(story, pieces, said)
    assert (account["after_seq"], account["expected"], account["delivered"]) == (2, 3, 3)


def test_a_client_that_said_nothing_is_owed_everything(story: Story) -> None:
    account = resume(story, list(TEXTS[:2]), {})
    assert (account["after_seq"], account["expected"]) == (0, 5)


def test_an_id_may_be_of_the_connection_before_the_last(story: Story) -> None:
    publish(story)
    for connection_id in (1, 2, 3):
        story.connection(connection_id, open_ms=200 * connection_id)
    see(story, 1, [{"text": "The ", "id": "a"}])
    story.of("locust").add("resumes", connection_id=2, previous=1, id="a")
    story.of("locust").add("resumes", connection_id=3, previous=2, id="a")
    see(story, 3, list(TEXTS[1:]))
    gather(story.end())
    assert load_run(story.folder).connections["after_seq"].to_list() == [0, 1, 1]


# --- records that cannot be trusted --------------------------------------------------------


def test_sightings_of_a_connection_that_never_opened_are_refused(story: Story) -> None:
    publish(story)
    story.connection(1)
    see(story, 2, ["The "])
    with pytest.raises(RecordError, match="1 connections never opened"):
        gather(story.end())


def test_receipts_that_were_recorded_are_never_written_over(story: Story) -> None:
    publish(story)
    story.connection(1, [(100, 1)])
    see(story, 1, ["The "])
    with pytest.raises(RecordError, match=r"locust\.receipts\.arrows: contradictory records"):
        gather(story.end())


def test_a_run_without_a_target_gets_no_table_of_alignments(story: Story) -> None:
    story.chunk(1, 0)
    story.connection(1, [(100, 1)])
    gather(story.end())
    assert not (story.folder / "alignments.parquet").exists()


def test_sightings_without_an_instant_are_refused(story: Story) -> None:
    publish(story)
    story.connection(1)
    see(story, 1, [{"text": "The ", "at_ns": None}])
    with pytest.raises(RecordError, match=r"locust\.sightings\.arrows: has rows without at_ns"):
        gather(story.end())


def test_the_report_of_a_target_says_what_its_verdicts_rest_on(tmp_path: Path) -> None:
    target = TargetFacts("theirs", "ws://their.host/{session_id}", "theirs.yaml", "producer")
    story = Story(tmp_path / "run", target=target)
    publish(story)
    story.connection(1)
    see(story, 1, [*TEXTS[:2], *TEXTS[3:]])
    study = analyse(story.end())
    assert study.summary.told_apart_by == {"text": 1}
    written = render_markdown(make_page(study, [], []))
    assert "who knows what was sent: chunk7's producer, which wrote it" in written
    assert "chunks told apart by: text in 1 connections" in written
    assert "a hole between equal texts may be one place off" in written


def test_nothing_is_drawn_of_what_nobody_knows_of_a_target(tmp_path: Path) -> None:
    """The law's figures were drawn all the same, with every cell at an expectation of 0."""
    story = Story(tmp_path / "run", target=TargetFacts("t", "ws://h/", "t.yaml", "request"))
    publish(story)
    story.connection(1)
    see(story, 1, [*TEXTS[:2], *TEXTS[3:]])
    drawn = [picture.name for picture in pictures(analyse(story.end()))]
    assert drawn == ["loss_rate", "over_time", "prices"]
