"""Why a chunk fell into the handover: the law's three ways, for whoever knows the instants.

A chunk is lost exactly when it is published before the subscription and saved after the read
(docs/architecture.md, the law). Published after the read, it is in the handover gap; published
before, it was saved too late.
"""

from typing import Any

from chunk7.delivery.verdicts import Cause


def handover_causes(
    published: Any, saved: Any, read: Any, unheard: Any, did_not_wait: Any, maybe_unheard: Any
) -> list[tuple[Cause, Any]]:
    """The causes in their order, each with whether it fits: the first that does is the cause.

    `published`, `saved` and `read` are instants on one clock, or arrays of one shape; comparisons
    with an instant that did not happen, nan, are false. The others are booleans of the same shape:
    `unheard`, the chunk was published before the subscription took effect; `maybe_unheard`, the
    same as far as the instants' uncertainty allows; `did_not_wait`, the node sent SUBSCRIBE before
    it read, and read before that was confirmed.
    """
    after_read = published > read
    return [
        (Cause.UNCONFIRMED_SUBSCRIBE, maybe_unheard & did_not_wait & after_read),
        (Cause.HANDOVER_GAP, unheard & after_read),
        (Cause.SAVE_LAG, unheard & (published <= read) & (saved > read)),
    ]
