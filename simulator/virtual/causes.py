"""Why chunks were lost in virtual time, where every instant is known; and W."""

import math
from functools import cache

from chunk7.delivery.causes import handover_causes
from chunk7.delivery.verdicts import Cause
from chunk7.simulator.virtual.lives import Life, WatcherGroup


def cause(group: WatcherGroup, life: Life, index: int) -> Cause:
    """Why the chunk did not reach the client, whose last life this was."""
    session = group.session
    if not session.regular or life.read_ms is None or life.attached_ms is None:
        return Cause.UNKNOWN if life.end_ms == math.inf else Cause.NODE_GONE
    published, saved = session.publish_ms[index], session.save_ms[index]
    subscribed = life.channel[0] if life.channel else math.inf
    if session.arrive_ms[index] >= life.end_ms:
        return Cause.NODE_GONE
    unheard = published < subscribed or session.arrive_ms[index] < life.attached_ms
    if not unheard:
        return Cause.STORE_RECONNECT if group.schedule else Cause.UNKNOWN
    did_not_wait = life.attached_ms <= life.read_ms
    return _of_handover(published > life.read_ms, saved > life.read_ms, did_not_wait)


@cache
def _of_handover(published_later: bool, saved_later: bool, did_not_wait: bool) -> Cause:
    """Of a chunk that was not heard: published, and saved, after the read, here at 0, or not."""
    instants = (int(published_later), int(saved_later), 0)
    rules = handover_causes(*instants, unheard=True, did_not_wait=did_not_wait, maybe_unheard=True)
    return next((cause for cause, fits in rules if fits), Cause.UNKNOWN)


def window_ms(life: Life, delay_ms: float) -> float:
    """W: a published chunk is `delay_ms` on its way. 0 for a cursor in a stream, nan without."""
    if life.read_ms is None or life.attached_ms is None:
        return math.nan
    if life.channel is None:
        return 0.0
    return max(life.channel[0], life.attached_ms - delay_ms) - life.read_ms
