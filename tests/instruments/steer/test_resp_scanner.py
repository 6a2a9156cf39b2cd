"""Where frames end, however the bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resp_kit import cut

from chunk7.instruments.steer.resp import MAX_LINE, MAX_PART, ProtocolFault, Scanner

WORDS = st.binary(max_size=12)
LINES = st.binary(max_size=12).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b""))


def bulk(word: bytes, kind: bytes = b"$") -> bytes:
    return b"%s%d\r\n%s\r\n" % (kind, len(word), word)


def streamed(words: list[bytes]) -> bytes:
    return b"$?\r\n" + b"".join(bulk(word, b";") for word in words if word) + b";0\r\n"


def aggregates(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    lists = st.lists(inner, max_size=4)
    pairs = st.lists(st.tuples(inner, inner).map(b"".join), max_size=2)
    return st.one_of(
        st.builds(lambda k, i: b"%s%d\r\n" % (k, len(i)) + b"".join(i), st.sampled_from(
            [b"*", b"~", b">"]), lists),
        st.builds(lambda i: b"%%%d\r\n" % len(i) + b"".join(i), pairs),
        st.builds(lambda i, of: b"|%d\r\n" % len(i) + b"".join(i) + of, pairs, inner),
        st.builds(lambda k, i: k + b"?\r\n" + b"".join(i) + b".\r\n", st.sampled_from(
            [b"*", b"~"]), lists),
    )  # fmt: skip


FRAMES = st.recursive(
    st.one_of(
        WORDS.map(bulk),
        WORDS.map(lambda word: bulk(b"txt:" + word, b"=")),
        WORDS.map(lambda word: bulk(word, b"!")),
        st.lists(WORDS, max_size=3).map(streamed),
        st.builds(lambda k, line: k + line + b"\r\n", st.sampled_from([b"+", b"-", b",", b"("]),
            LINES),
        st.sampled_from([b":7\r\n", b"_\r\n", b"#t\r\n", b"$-1\r\n", b"*-1\r\n", b"*0\r\n"]),
    ),
    aggregates,
    max_leaves=12,
)  # fmt: skip


def frames_of(pieces: list[bytes], scanner: Scanner) -> list[tuple[int, tuple[object, ...]]]:
    """(end in the whole stream, what the frame is) of each."""
    found, before = [], 0
    for piece in pieces:
        at = 0
        while at < len(piece) and (end := scanner.scan(piece, at)) >= 0:
            frame = scanner.frame
            found.append((before + end, (frame.kind, frame.count, frame.nil, *frame.parts)))
            at = end
        before += len(piece)
    return found


@given(frames=st.lists(FRAMES, min_size=1, max_size=4))
def test_every_frame_ends_where_it_was_written_to_end(frames: list[bytes]) -> None:
    ends = [sum(map(len, frames[: n + 1])) for n in range(len(frames))]
    assert [end for end, _ in frames_of([b"".join(frames)], Scanner())] == ends


@given(
    frames=st.lists(FRAMES, min_size=1, max_size=3),
    places=st.lists(st.integers(0, 10_000), max_size=6),
)
def test_every_cut_of_a_stream_gives_the_same_frames(
    frames: list[bytes], places: list[int]
) -> None:
    stream = b"".join(frames)
    whole = frames_of([stream], Scanner())
    assert frames_of(cut(stream, places), Scanner()) == whole
    assert frames_of([stream[n : n + 1] for n in range(len(stream))], Scanner()) == whole


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"PING\r\n", [b"PING"]),
        (b"set key 'a b'\n", [b"set", b"key", b"a b"]),
        (b'SUBSCRIBE "one channel" two\r\n', [b"SUBSCRIBE", b"one channel", b"two"]),
        (b"\r\n", []),
    ],
)
def test_a_line_that_is_no_array_is_a_command(line: bytes, parts: list[bytes]) -> None:
    scanner = Scanner(inline=True)
    assert scanner.scan(line, 0) == len(line)
    assert (scanner.frame.parts, scanner.frame.count) == (parts, len(parts))


def test_only_a_null_itself_is_nil_and_not_what_begins_with_one() -> None:
    """MGET of a key that is not there was taken for an aborted EXEC."""
    found = frames_of([b"*2\r\n$-1\r\n$1\r\nx\r\n*-1\r\n_\r\n$-1\r\n*1\r\n_\r\n"], Scanner())
    assert [what[2] for _, what in found] == [False, True, True, True, False]


def test_attributes_belong_to_what_comes_behind_them() -> None:
    """The kind of the frame was the attribute's, and its first string the attribute's name."""
    found = frames_of([b"|1\r\n+ttl\r\n:9\r\n*2\r\n+a\r\n+b\r\n"], Scanner())
    assert [what for _, what in found] == [(ord("*"), 2, False, b"a", b"b")]


def test_of_a_long_string_only_the_front_is_kept() -> None:
    scanner = Scanner()
    data = bulk(b"x" * (3 * MAX_PART))
    pieces = [data[n : n + 1_000] for n in range(0, len(data), 1_000)]
    assert frames_of(pieces, scanner) == [(len(data), (ord("$"), 0, False, b"x" * MAX_PART))]


def test_the_number_of_elements_is_known_beyond_the_parts_that_are_kept() -> None:
    """SUBSCRIBE to 300 channels waited for 255 confirmations."""
    scanner = Scanner()
    scanner.scan(b"*300\r\n" + bulk(b"c") * 300, 0)
    assert (scanner.frame.count, len(scanner.frame.parts)) == (300, 256)


def test_a_long_status_is_no_fault_and_a_long_command_line_is() -> None:
    """A script may return a status of any length; the connection was given up."""
    line = b"+" + b"x" * (2 * MAX_LINE) + b"\r\n"
    assert Scanner().scan(line, 0) == len(line)
    scanner = Scanner()
    assert scanner.scan(line[: MAX_LINE + 9], 0) == -1
    assert scanner.scan(line[MAX_LINE + 9 :], 0) == len(line) - MAX_LINE - 9
    with pytest.raises(ProtocolFault, match="a line of more than"):
        Scanner(inline=True).scan(b"x" * (MAX_LINE + 1), 0)


@pytest.mark.parametrize("data", [b"hello\r\n", b"*x\r\n", b"$\r\n", b"\r\n", b".\r\n", b";0\r\n"])
def test_what_is_no_resp_is_said_so(data: bytes) -> None:
    with pytest.raises(ProtocolFault):
        Scanner().scan(data, 0)
