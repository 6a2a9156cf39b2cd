"""What a client shows, asks for and resumes after."""

from collections.abc import Hashable

import pytest
from resume_cases import RESUMES

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import ClientModel
from chunk7.delivery.clients import CLIENTS
from chunk7.delivery.clients.deduplicates import Deduplicates
from chunk7.delivery.clients.fills_gaps import FillsGaps
from chunk7.delivery.clients.resumes import Resumes
from chunk7.delivery.clients.takes_all import TakesAll
from chunk7.delivery.frames import BeatFrame, LiveFrame
from chunk7.delivery.ordering import ClientPolicy

RESUMING = [Resumes(TakesAll()), Resumes(Deduplicates()), FillsGaps()]


def numbered(seq: int) -> Chunk:
    return Chunk("s", "m", seq - 1, "text", seq=seq)


def after(client: ClientModel, *chunks: Chunk) -> tuple[Hashable, list[bool]]:
    """Its memory, and which of the chunks it showed."""
    memory, shown = client.start(), []
    for chunk in chunks:
        memory, new = client.take(memory, LiveFrame(chunk))
        shown.append(new == (chunk,))
    return memory, shown


@pytest.mark.parametrize("client", RESUMING, ids=["takes_all", "deduplicates", "fills_gaps"])
@pytest.mark.parametrize(("seqs", "resume"), RESUMES.values(), ids=RESUMES)
def test_it_resumes_after_the_last_number_up_to_which_it_has_everything(
    client: ClientModel, seqs: tuple[int, ...], resume: int
) -> None:
    memory, _ = after(client, *map(numbered, seqs))
    assert client.resume_after(memory) == resume


def test_one_that_keeps_no_numbers_starts_over() -> None:
    for client in (TakesAll(), Deduplicates()):
        assert client.resume_after(after(client, numbered(1))[0]) == 0


def test_each_policy_shows_a_double_its_own_way() -> None:
    shown = {policy: after(CLIENTS[policy], numbered(1), numbered(1))[1] for policy in ClientPolicy}
    assert shown == {
        ClientPolicy.TAKES_ALL: [True, True],
        ClientPolicy.DEDUPLICATES: [True, False],
        ClientPolicy.FILLS_GAPS: [True, False],
    }


def test_resuming_changes_nothing_else() -> None:
    plain, resuming = Deduplicates(), Resumes(Deduplicates())
    chunks = [numbered(2), numbered(1), numbered(2)]
    assert after(resuming, *chunks)[1] == after(plain, *chunks)[1] == [True, True, False]
    memory, _ = after(resuming, *chunks)
    assert resuming.take(memory, BeatFrame(9)) == (memory, ())
    assert resuming.ask(memory) == (memory, None)
    assert (resuming.asks, resuming.misses(memory)) == (False, False)


def test_what_has_no_number_cannot_be_resumed_after() -> None:
    client = Resumes(TakesAll())
    memory, shown = after(client, Chunk("s", "m", 0, "text"), numbered(1))
    assert (client.resume_after(memory), shown) == (1, [True, True])
