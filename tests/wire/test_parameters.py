"""A field that says what it may be is all that its check and its option need."""

import argparse
from typing import Annotated

import msgspec
import pytest

from chunk7.delivery.errors import UsageError
from chunk7.wire.parameters import Parameter, parameters, read_all


class Longer(msgspec.Struct):
    """A record as somebody's next parameter would make it."""

    name: str = "not a parameter"
    pause_ms: Annotated[
        int | None,
        Parameter(low=10, high=60_000, per_s=1_000, option="--pause", none="never", what="a pause"),
    ] = None
    share: Annotated[float, Parameter(low=0, high=1, what="of something")] = 0.25


FOUND = parameters(Longer)


def read(*words: str) -> dict[str, float | int | None]:
    parser = argparse.ArgumentParser()
    for parameter in FOUND.values():
        parameter.add_to(parser)
    return read_all(FOUND, vars(parser.parse_args(words)))


def test_name_option_type_and_default_are_the_fields() -> None:
    assert list(FOUND) == ["pause_ms", "share"]
    pause, share = FOUND.values()
    assert (pause.option, pause.dest, pause.whole, pause.default) == (
        "--pause",
        "pause_s",
        True,
        None,
    )
    assert (share.option, share.dest, share.whole, share.default) == (
        "--share",
        "share",
        False,
        0.25,
    )


def test_an_option_is_read_in_its_own_unit_and_kept_in_the_fields() -> None:
    assert read() == {"pause_ms": None, "share": 0.25}
    assert read("--pause", "1.5", "--share", "1") == {"pause_ms": 1_500, "share": 1.0}
    assert read("--pause", "never")["pause_ms"] is None


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--pause", "0"), "--pause 0: must be between 0.01 and 60, or never"),
        (("--pause", "soon"), "--pause soon: want a number, or never"),
        (("--share", "never"), "--share never: want a number"),
        (("--share", "nan"), "--share nan: must be between 0 and 1"),
        (("--share", "inf"), "--share inf: must be between 0 and 1"),
        (("--share", ""), "--share '': want a number"),
        (("--share", "x" * 99), f"--share {'x' * 80}: want a number"),
    ],
)
def test_a_bad_text_is_told_in_one_line_with_the_options_own_bounds(
    words: tuple[str, ...], line: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(*words)
    assert str(caught.value) == line


def test_a_command_may_have_a_default_of_its_own() -> None:
    parser = argparse.ArgumentParser()
    FOUND["pause_ms"].add_to(parser, default=2_500)
    assert read_all(FOUND, vars(parser.parse_args([]))) == {"pause_ms": 2_500}
