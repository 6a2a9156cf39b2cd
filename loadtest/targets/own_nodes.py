"""Whether a server is one of chunk7's own: another's frames would be read as nothing at all."""

import time

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.options import ADAPTER, LoadOptions
from chunk7.loadtest.targets.errors import ConnectFailed, Refused, TimedOut
from chunk7.loadtest.targets.websocket import CLOSE_WAIT_S, connect

ANSWER_WITHIN_S = 2.0
_QUESTION = "/ws/question?ordering="
"""A join that every node refuses, in words of its own, before it does or records anything."""
_REFUSAL = (400, "ordering: ")
_GATEWAYS = (502, 503, 504)
"""What a proxy says whose nodes are away."""


def refuse_foreign(options: LoadOptions) -> None:
    """Raise UsageError if another's server answers at the host, and there is no adapter for it.

    It is asked as clients ask, so that whatever brings them to a node brings the question there. A
    server that does not answer is nobody's yet: the test itself will tell.
    """
    if options.adapter is not None:
        return
    try:
        socket = connect(f"{options.host}{_QUESTION}", time.monotonic() + ANSWER_WITHIN_S)
    except Refused as refused:
        ours = (refused.status, refused.line[: len(_REFUSAL[1])]) == _REFUSAL
        if ours or refused.status in _GATEWAYS:
            return
        said = f"it answers {refused}"
    except (ConnectFailed, TimedOut):
        return
    else:
        socket.close(CLOSE_WAIT_S)
        said = "it takes a connection that every node refuses"
    raise UsageError(f"--host {options.host} is no node of chunk7 ({said}); {ADAPTER}")
