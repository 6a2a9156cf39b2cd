"""The gallery's variants as cases: `make test` has two of each member, `make wide` the others.

Of the two one is measured and one steered; of fastapi_sse both are both, and resumable_stream, that
cannot be steered, is measured twice.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from examples.gallery import Case

VARIATIONS = frozenset(
    {
        "django_channels:wrong-core",
        "django_channels:right-pubsub",
        "fastapi_sse:right-dropping",
        "node_ws:unconfirmed",
        "socketio:recovery",
        "socketio:recovery_checked",
        "starlette_broadcaster:unmended",
    }
)
"""Of each member one that loses stays, and one that mends it."""
MENDED = frozenset(
    {
        "django_channels:right-core",
        "fastapi_websocket:right",
        "node_ws:right",
        "socketio:right",
        "starlette_broadcaster:right",
    }
)
"""Steered through every feasible schedule, of which a run under load meets some."""
LOSING = frozenset(
    {
        "django_channels:wrong-pubsub",
        "fastapi_websocket:wrong",
        "node_ws:wrong",
        "socketio:wrong",
        "starlette_broadcaster:wrong",
    }
)
"""Found to lose under load, which takes one schedule to tell."""


def but(seldom: frozenset[str], cases: Iterable[Case]) -> list[Any]:
    """A parameter a case, called by its label; those of `seldom` are marked `wide`."""
    return [
        pytest.param(case, id=case.label, marks=pytest.mark.wide if case.label in seldom else ())
        for case in cases
    ]
