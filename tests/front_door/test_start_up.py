"""What takes long to import is imported where it is used: a command should not be waited for."""

import subprocess
import sys

import pytest

ANALYSIS = {"pandas", "pyarrow", "scipy", "matplotlib"}
HEAVY = ANALYSIS | {
    "aiohttp", "docker", "gevent", "jinja2", "locust", "nanoarrow", "numpy", "redis", "rich",
    "websockets",
}  # fmt: skip
"""Each takes 20 ms or more, or 5 MiB."""

HELP = "from chunk7.cli import main; main(['--help'])"
EXPLORE = "from chunk7.cli import main; main(['explore', '--connect', 'redis_streams'])"


@pytest.mark.parametrize(
    ("started", "needed"),
    [
        pytest.param(HELP, set(), id="help"),
        pytest.param(EXPLORE, {"rich"}, id="explore"),
        pytest.param(
            "import chunk7.nodes.__main__", {"nanoarrow", "redis", "websockets"}, id="node"
        ),
        pytest.param(
            "import chunk7.producer.__main__",
            {"aiohttp", "nanoarrow", "numpy", "redis"},
            id="producer",
        ),
        pytest.param(
            "import chunk7.loadtest.locustfile",
            {"gevent", "jinja2", "locust", "nanoarrow", "websockets"},  # jinja2 is Locust's
            id="locust",
        ),
        pytest.param(
            "import chunk7.cluster.jobs.run, chunk7.cluster.settings",
            {"nanoarrow", "rich"},
            id="run",
        ),
        pytest.param(
            "import chunk7.cluster.jobs.judge, chunk7.run_table",
            {"numpy", "pandas", "pyarrow", "redis", "rich"},
            id="table",
        ),
    ],
)
def test_only_what_is_needed_is_imported(started: str, needed: set[str]) -> None:
    """`chunk7 run` imported pandas, pyarrow and matplotlib before it started the first process."""
    program = f"{started}\nimport sys\nprint(*{HEAVY!r} & {{*sys.modules}}, file=sys.stderr)"
    command = [sys.executable, "-P", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {*ended.stderr.split()} <= needed
