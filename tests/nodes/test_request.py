"""Connect URLs: what they ask for, and how a bad field is answered."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.errors import UsageError
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.nodes.options import NodeOptions
from chunk7.nodes.request import JoinRequest, parse_request

OPTIONS = NodeOptions(
    "127.0.0.1", 0, "redis://x", "n", Path(), "buffered_merge", CONNECT_ORDERINGS, 7, 500, 1, 1, 1
)


def test_fields_that_are_not_given_have_the_node_s_defaults() -> None:
    merge = CONNECT_ORDERINGS["buffered_merge"]
    expected = JoinRequest("s", merge, "anonymous", None, 0, 7)
    assert parse_request("/ws/s", OPTIONS) == expected


def test_every_field_is_taken() -> None:
    target = (
        "/ws/c.a_f-%3A1?ordering=redis_streams&user_id=a%20b"
        "&connection_id=9223372036854775807&after_seq=5&work_ms=2.5&epoch=0a1b"
    )
    streams = CONNECT_ORDERINGS["redis_streams"]
    assert parse_request(target, OPTIONS) == JoinRequest(
        "c.a_f-:1", streams, "a b", 2**63 - 1, 5, 2.5, "0a1b"
    )


BAD = {
    "/ws/": "session_id: '' is not 1 to 128",
    "/ws/a/b": "session_id: 'a/b' is not",
    "/ws/a%2Fb": "session_id: 'a/b' is not",
    "/ws/a%0Ab": "session_id: 'a\\nb' is not",
    "/ws/secret%09": "session_id: 'secret\\t' is not",
    "/ws/secret\t": "path: '/ws/secret\\t' has what must be percent-encoded",
    "/ws/se\rcret": "path: '/ws/se\\rcret' has what",
    "/ws/se\ncret": "path: '/ws/se\\ncret' has what",
    "/ws/secret#x": "path: '/ws/secret#x' has what",
    "/ws/secret;x": "session_id: 'secret;x' is not",
    "/ws/secret%00": "session_id: 'secret\\x00' is not",
    "/ws/*": "session_id: '*' is not",
    "/ws/caf%C3%A9": "session_id: 'caf\\xe9' is not",
    "/ws/%ff": "path: '/ws/%ff' is not UTF-8, percent-encoded",
    "/ws/%fe": "path: '/ws/%fe' is not UTF-8, percent-encoded",
    "/ws/\udcff": "path: '/ws/\\udcff' has what",
    "/ws/s?user_id=%ff": "path: '/ws/s?user_id=%ff' is not UTF-8",
    "/ws/s?user_id=%1b%5B2J": "user_id: '\\x1b[2J' is not",
    "/ws/" + "a" * 129: "session_id: ",
    "/ws/s?ordering=fastest": "ordering: 'fastest' is none of history_then_subscribe, ",
    "/ws/s?ordering=own.py:own": "ordering: 'own.py:own' is none of",
    "/ws/s?user_id=": "user_id: '' is not",
    "/ws/s?epoch=": "epoch: '' is not 1 to 64 letters and digits",
    "/ws/s?epoch=a-b": "epoch: 'a-b' is not",
    "/ws/s?connection_id=-1": "connection_id: '-1' is not 0 to 9223372036854775807",
    "/ws/s?connection_id=9223372036854775808": "connection_id: ",
    "/ws/s?connection_id=one": "connection_id: 'one' is not",
    "/ws/s?after_seq=2147483648": "after_seq: '2147483648' is not 0 to 2147483647",
    "/ws/s?after_seq=1.5": "after_seq: '1.5' is not",
    "/ws/s?work_ms=nan": "work_ms: 'nan' is not 0 to 10000",
    "/ws/s?work_ms=10001": "work_ms: '10001' is not",
    "/ws/s?odering=x": "'odering': no such field; there are ordering, ",
    "/ws/s?after_seq=1&after_seq=2": "query: a field is given twice",
    "/ws/s?after_seq": "query: ",
    "/ws/s?" + "&".join(f"a{i}=1" for i in range(99)): "query: ",
}


@pytest.mark.parametrize(("target", "reason"), BAD.items())
def test_a_bad_field_is_named_in_one_line(target: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_request(target, OPTIONS)
    assert str(error.value).startswith(reason)
    assert "\n" not in str(error.value)


@given(st.text())
def test_whatever_follows_the_prefix_is_understood_or_refused_in_one_line(text: str) -> None:
    refusal = "understood"
    try:
        parse_request(f"/ws/{text}", OPTIONS)
    except UsageError as error:
        refusal = str(error)
    assert len(refusal.splitlines()) == 1


def test_a_tab_in_the_path_joins_no_other_session() -> None:
    """`urlsplit` drops TAB, CR and LF, so `/ws/secret<TAB>` was the session `secret`; and every
    byte that is no UTF-8 was U+FFFD, so `%ff` and `%fe` were one session."""
    for path in ("/ws/secret\t", "/ws/s\tecret", "/ws/%ff", "/ws/%fe"):
        with pytest.raises(UsageError):
            parse_request(path, OPTIONS)


@given(st.binary(min_size=1, max_size=12))
def test_whatever_bytes_are_encoded_the_session_is_those_bytes_or_refused(raw: bytes) -> None:
    """So two different names are never one session."""
    with contextlib.suppress(UsageError):
        target = "/ws/" + "".join(f"%{byte:02x}" for byte in raw)
        assert parse_request(target, OPTIONS).session_id.encode() == raw


def test_a_token_comes_in_the_header_or_in_the_query_and_is_not_shown() -> None:
    for asked in (
        parse_request("/ws/s", OPTIONS, "Bearer 1.abc"),
        parse_request("/ws/s?token=1.abc", OPTIONS),
        parse_request("/ws/s?token=other", OPTIONS, "bearer 1.abc"),
    ):
        assert asked.token == "1.abc"
        assert "1.abc" not in repr(asked)
    assert parse_request("/ws/s", OPTIONS, "Basic 1.abc").token is None
