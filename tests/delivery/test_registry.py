"""An ordering is found by name or in a user's file, or the error says what to write instead."""

from pathlib import Path

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.delivery.registry import resolve
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS

OWN = """
from chunk7.delivery.effects import SendWelcome
from chunk7.delivery.ordering import connect_ordering

@connect_ordering()
def only_greets(join):
    yield SendWelcome()
"""


def test_a_known_name_is_found() -> None:
    found = resolve("buffered_merge", CONNECT_ORDERINGS, ConnectOrdering)
    assert found is CONNECT_ORDERINGS["buffered_merge"]


def test_every_ordering_is_registered_under_its_own_name() -> None:
    for registry in (CONNECT_ORDERINGS, WRITE_ORDERINGS):
        assert list(registry) == [ordering.name for ordering in registry.values()]


def test_a_users_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    found = resolve(f"{path}:only_greets", CONNECT_ORDERINGS, ConnectOrdering)
    assert found.name == "only_greets"


@pytest.mark.parametrize(
    ("content", "spec", "message"),
    [
        (None, "nonsense", "unknown ordering 'nonsense': one of history_then_subscribe, "),
        (None, "{path}:x", "no ordering file {path}"),
        ("def f(:\n", "{path}:f", "{path}:1: "),
        ("1 / 0", "{path}:f", "{path} does not load: ZeroDivisionError: division by zero"),
        (OWN, "{path}:other", "{path} has no ConnectOrdering named 'other'"),
        ("f = 1", "{path}:f", "{path} has no ConnectOrdering named 'f'"),
    ],
)
def test_a_bad_name_or_file_is_one_clear_line(
    tmp_path: Path, content: str | None, spec: str, message: str
) -> None:
    path = tmp_path / "own.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError) as caught:
        resolve(spec.format(path=path), CONNECT_ORDERINGS, ConnectOrdering)
    assert str(caught.value).startswith(message.format(path=path))
    assert "\n" not in str(caught.value)


def test_a_connect_ordering_is_no_write_ordering(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    with pytest.raises(UsageError, match="has no WriteOrdering named"):
        resolve(f"{path}:only_greets", WRITE_ORDERINGS, WriteOrdering)


@pytest.mark.parametrize(
    "name",
    ["\x1b[2J", "own\nother", "", "a" * 65, "a x b", "<b>", "a;b", "=1+1", "[red]"],
)
def test_a_name_that_would_act_where_it_is_shown_is_refused(tmp_path: Path, name: str) -> None:
    """A raw ESC of an ordering's name reached the terminal and report.md."""
    path = tmp_path / "own.py"
    path.write_text(
        "from chunk7.delivery.ordering import ConnectOrdering\n"
        f"own = ConnectOrdering({name!a}, lambda join: iter(()))\n"
    )
    with pytest.raises(UsageError) as caught:
        resolve(f"{path}:own", CONNECT_ORDERINGS, ConnectOrdering)
    assert str(caught.value).startswith(
        f"{path}: own: its name {name[:80]!a} is not a letter or _,"
    )
    assert str(caught.value).isprintable()
