"""A digest stands for what the reader sees."""

from chunk7.delivery.chunk import Chunk, digest, history_key, seq_key, stream_key


def test_the_keys_are_the_bug_reports() -> None:
    assert [history_key("s"), stream_key("s"), seq_key("s")] == [
        "chat:history:s",
        "chat:stream:s",
        "chat:seq:s",
    ]


def test_any_change_that_a_reader_would_see_changes_the_digest() -> None:
    variants = [
        ("m", 0, "a", False),
        ("m", 0, "b", False),
        ("m", 1, "a", False),
        ("n", 0, "a", False),
        ("m", 0, "a", True),
    ]
    assert len({digest(*variant) for variant in variants}) == len(variants)


def test_numbering_changes_nothing_but_the_number() -> None:
    assert Chunk("s", "m", 0, "a").numbered(7) == Chunk("s", "m", 0, "a", seq=7)
