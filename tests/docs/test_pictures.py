"""docs/pictures/ is what the samples look like today: `make pictures` if it is not."""

import re
from pathlib import Path

from docs.make_pictures import FOLDER, PICTURES, draw_all

TEXT = re.compile(r"<text[^>]*>([^<]*)</text>")


def test_the_pictures_say_what_would_be_drawn_today(tmp_path: Path) -> None:
    """Words and numbers are compared: a last digit of a place may differ between processors."""
    draw_all(tmp_path)
    drawn = {path.name: TEXT.findall(path.read_text()) for path in tmp_path.iterdir()}
    assert all(drawn.values())
    assert {path.name: TEXT.findall(path.read_text()) for path in FOLDER.iterdir()} == drawn
    assert sorted(drawn) == sorted(f"{name}.svg" for name in PICTURES)


def test_no_picture_names_a_machine_or_a_date() -> None:
    for path in FOLDER.iterdir():
        assert not re.search(r"/home|/root|/tmp|dc:date|20\d\d-\d\d-\d\d", path.read_text())
