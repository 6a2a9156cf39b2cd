"""The gallery's variants as cases: `make test` has two of each member, `make wide` the others."""

from collections.abc import Iterable
from typing import Any

import pytest

from examples.gallery import Case

OTHERS = frozenset(
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
MORE_THAT_LOSE = frozenset(
    {
        "django_channels:wrong-pubsub",
        "fastapi_websocket:wrong",
        "node_ws:wrong",
        "socketio:wrong",
        "starlette_broadcaster:wrong",
    }
)
"""To steer: that one loses takes one schedule to tell, and that one does not takes them all."""


def but(seldom: frozenset[str], cases: Iterable[Case]) -> list[Any]:
    """A parameter a case, called by its label; those of `seldom` are marked `wide`."""
    return [
        pytest.param(case, id=case.label, marks=pytest.mark.wide if case.label in seldom else ())
        for case in cases
    ]
