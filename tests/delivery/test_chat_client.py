"""The browser client's rules, by the table that the browser client is held to as well."""

from collections.abc import Hashable

import pytest
from chat_client_cases import CHAT_CASES, DROP, ChatCase, live
from resume_cases import RESUMES

from chunk7.delivery.client import SeqRange
from chunk7.delivery.clients.chat_client import MAX_FETCH, ChatClient
from chunk7.delivery.frames import BeatFrame, StoredFrame

WAITING = 4
"""The browser's fetches that may wait for their answers."""


def played(case: ChatCase) -> ChatCase:
    """The same with what the policy does, asked as often as the browser's client asks itself."""
    client = ChatClient()
    memory: Hashable = client.start()
    shown: list[int] = []
    asked: list[SeqRange] = []
    resumed: list[int] = []
    has_history, waiting = False, 0
    for frame in case.happenings:
        if isinstance(frame, str):
            assert frame == DROP
            resumed.append(client.resume_after(memory))
            has_history, waiting = False, 0
            continue
        if isinstance(frame, StoredFrame):
            waiting -= has_history and waiting > 0
            has_history = True
        memory, new = client.take(memory, frame)
        shown += [chunk.seq for chunk in new]
        while has_history and waiting < WAITING:
            memory, wanted = client.ask(memory)
            if wanted is None:
                break
            asked.append(wanted)
            waiting += 1
    resume = client.resume_after(memory)
    return ChatCase(case.happenings, tuple(shown), tuple(asked), tuple(resumed), resume)


@pytest.mark.parametrize("case", CHAT_CASES.values(), ids=CHAT_CASES)
def test_it_does_what_the_browser_client_does(case: ChatCase) -> None:
    assert played(case) == case


@pytest.mark.parametrize(("seqs", "resume"), RESUMES.values(), ids=RESUMES)
def test_it_resumes_where_every_client_does(seqs: tuple[int, ...], resume: int) -> None:
    client = ChatClient()
    memory = client.start()
    for frame in live(*seqs):
        memory, _ = client.take(memory, frame)
    assert client.resume_after(memory) == resume


def test_one_fetch_has_so_many_numbers_and_no_more() -> None:
    client = ChatClient()
    memory, _ = client.take(client.start(), BeatFrame(MAX_FETCH + 5))
    memory, first = client.ask(memory)
    assert (first, client.ask(memory)[1]) == ((1, MAX_FETCH), (MAX_FETCH + 1, MAX_FETCH + 5))


def test_it_misses_what_it_has_not_given_up() -> None:
    client = ChatClient()
    memory, _ = client.take(client.start(), BeatFrame(1))
    for _ in range(5):
        assert client.misses(memory)
        memory, _ = client.ask(memory)
        memory, _ = client.take(memory, BeatFrame(1))
    assert not client.misses(memory)


def test_its_memory_is_a_value() -> None:
    client = ChatClient()
    frames = live(1, 2, 3)
    one, other = client.start(), client.start()
    for frame in frames:
        one, _ = client.take(one, frame)
    for frame in reversed(frames):
        other, _ = client.take(other, frame)
    assert (one, hash(one)) == (other, hash(other))
