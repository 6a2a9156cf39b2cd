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
"""Of each member one that loses stays, and the one that mends it."""


def two_of_each(cases: Iterable[Case]) -> list[Any]:
    """A parameter a case, called by its label."""
    return [
        pytest.param(case, id=case.label, marks=pytest.mark.wide if case.label in OTHERS else ())
        for case in cases
    ]
