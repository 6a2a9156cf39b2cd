import pytest

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.targets.paths import MISSING, Message, compile_path

FRAME = {"a": {"b": [{"c": 1}, "x"]}, "n": None, "@type": "t", "0": "zero"}
MESSAGE = Message(b"raw \xff", "chunk", "17")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b.0.c", 1),
        ("a.b.1", "x"),
        ("a.b", [{"c": 1}, "x"]),
        ("n", None),
        ("0", "zero"),
        ("@type", "t"),
        ("@event", "chunk"),
        ("@id", "17"),
        ("@data", "raw \ufffd"),
        ("$", FRAME),
        ("z", MISSING),
        ("a.b.2", MISSING),
        ("a.b.x", MISSING),
        ("a.b.1.c", MISSING),
        ("n.x", MISSING),
    ],
)
def test_a_path_leads_to_its_value_or_to_nothing(path: str, value: object) -> None:
    assert compile_path(path)(FRAME, MESSAGE) == value


def test_a_list_is_reached_into_by_number() -> None:
    assert compile_path("1")(["a", "b"], MESSAGE) == "b"
    assert compile_path("1.t")(["a", {"t": 1}], MESSAGE) == 1
    assert compile_path("t")("text", MESSAGE) is MISSING


@pytest.mark.parametrize("path", ["", ".", "a..b", ".a", "a."])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="is no path"):
        compile_path(path)
