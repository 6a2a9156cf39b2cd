"""The loss rate of connections and its interval: the same numbers wherever results are stated."""

from typing import Any

import numpy as np
import pandas as pd

from chunk7.wire.intervals import ClusteredShare, clustered_share


def loss_rate(lost: Any, session_ids: Any) -> ClusteredShare:
    """Share of connections that lost something, the session being what they have in common.

    `lost`: chunks of each connection, `session_ids`: whom each watched; shape (connections,) both.
    """
    session, names = pd.factorize(np.asarray(session_ids))
    lossy = np.asarray(lost) > 0
    return clustered_share(
        np.bincount(session, lossy, len(names)), np.bincount(session, minlength=len(names))
    )


def loss_rate_fields(lost: Any, session_ids: Any) -> dict[str, Any]:
    """`loss_rate` as the fields of a Result; the rate and its ends are None without connections."""
    found = loss_rate(lost, session_ids)
    return {
        "connections": len(lost),
        "lossy_connections": int((np.asarray(lost) > 0).sum()),
        "loss_rate": found.share,
        "loss_rate_low": None if found.share is None else found.low,
        "loss_rate_high": None if found.share is None else found.high,
        "loss_rate_design_effect": found.design_effect,
    }
