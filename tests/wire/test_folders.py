"""What a command writes into is its own: new, or empty."""

from pathlib import Path

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.wire.folders import make_empty


def test_a_new_folder_is_made_and_an_empty_one_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert make_empty(folder) == make_empty(folder) == folder
    assert folder.is_dir()


def test_one_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    with pytest.raises(UsageError, match=r"^--out .*: exists and is not empty$"):
        make_empty(tmp_path)


def test_a_file_in_its_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"^--out .*file: File exists$"):
        make_empty(tmp_path / "file")
