import pytest
from websockets.frames import Frame, Opcode

from chunk7.loadtest.targets.frame_bounds import frame_at


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_ends_where_its_head_says(size: int, mask: bool) -> None:
    frame = Frame(Opcode.TEXT, b"x" * size).serialize(mask=mask)
    assert frame_at(b"before" + frame + b"\x81", 6) == (6 + len(frame) - size, 6 + len(frame))


@pytest.mark.parametrize(("size", "head"), [(125, 2), (126, 4), (65_536, 10)])
def test_as_long_as_the_head_is_not_all_there_nothing_is_known(size: int, head: int) -> None:
    frame = Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
    assert [frame_at(frame[:have], 0) for have in range(head)] == [None] * head
    assert frame_at(frame[:head], 0) == (head, head + size)
