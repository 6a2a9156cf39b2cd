"""The `chunk7` command in this process: it starts a second sooner than in one of its own."""

import subprocess
from collections.abc import Callable

import pytest

from chunk7.cli import main

Call = Callable[..., "subprocess.CompletedProcess[str]"]
"""What the fixture `call` gives: words in; code, stdout and stderr out."""


def caller(capfd: pytest.CaptureFixture[str]) -> Call:
    """One that also has what forked processes say, as a shell would."""

    def call(*words: object) -> "subprocess.CompletedProcess[str]":
        arguments = [str(word) for word in words]
        capfd.readouterr()
        code = main(arguments)
        said = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return call
