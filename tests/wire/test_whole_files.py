"""A file that is written is the old one or the new one, and what stands in the way is one line."""

import errno
from pathlib import Path

import pytest
from full_disk import no_file_longer_than

from chunk7.delivery.errors import UsageError, WriteError
from chunk7.wire import folders
from chunk7.wire.folders import make_folder
from chunk7.wire.shortage import shortage
from chunk7.wire.whole_files import whole_file, write_whole


def test_a_file_is_written_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content in ("one", b"two"):
        write_whole(path, content)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_file_from_before_and_nothing_beside_it(tmp_path: Path) -> None:
    """A run on a full disk used to leave a summary.json of 0 bytes, and a traceback."""
    path = tmp_path / "summary.json"
    write_whole(path, "before")
    for target in (path, tmp_path / "new.json"):
        with (
            no_file_longer_than(3),
            pytest.raises(WriteError, match=f"^{target}: cannot be written: File too large$"),
        ):
            write_whole(target, "longer than three")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_whatever_goes_wrong_inside_leaves_nothing(tmp_path: Path) -> None:
    def stop_half_way() -> None:
        with whole_file(tmp_path / "a") as partial:
            partial.write_text("half of")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nosuch" / "a"
    with pytest.raises(WriteError, match=f"^{path}: cannot be written: No such file or directory$"):
        write_whole(path, "")


def test_a_read_only_folder_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked of the system: root may write where the mode says nobody may."""
    assert make_folder(tmp_path / "new").is_dir()
    monkeypatch.setattr(folders.os, "access", lambda *_: False)
    with pytest.raises(UsageError, match=f"^--out {tmp_path}: nothing can be written into it$"):
        make_folder(tmp_path)


def test_what_the_system_would_not_give_is_a_line_and_a_bug_is_none() -> None:
    assert shortage(OSError(errno.ENOSPC, "x", "a/b")) == "a/b: No space left on device"
    assert shortage(OSError(errno.EMFILE, "x")) == "Too many open files (ulimit -n)"
    assert shortage(FileNotFoundError(errno.ENOENT, "x")) is None
    assert shortage(ValueError()) is None
