"""Why chunks were lost in virtual time, where every instant is known; and W."""

import math
from functools import cache

from chunk7.delivery.causes import handover_causes
from chunk7.delivery.verdicts import Cause
from chunk7.simulator.virtual.lives import Life, WatcherGroup


def causes(group: WatcherGroup, life: Life, begin: int, end: int) -> list[Cause]:
    """Why each of the chunks begin..end did not reach the client, whose last life this was."""
    session, read_ms, attached_ms = group.session, life.read_ms, life.attached_ms
    if not session.regular or read_ms is None or attached_ms is None:
        unknown = Cause.UNKNOWN if life.end_ms == math.inf else Cause.NODE_GONE
        return [unknown] * (end - begin)
    subscribed = life.channel[0] if life.channel else math.inf
    did_not_wait = attached_ms <= read_ms
    found = []
    for index in range(begin, end):
        published, arrived = session.publish_ms[index], session.arrive_ms[index]
        if arrived >= life.end_ms:
            found.append(Cause.NODE_GONE)
        elif published < subscribed or arrived < attached_ms:
            later = published > read_ms, session.save_ms[index] > read_ms
            found.append(_of_handover(*later, did_not_wait))
        else:
            found.append(Cause.STORE_RECONNECT if group.schedule else Cause.UNKNOWN)
    return found


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
    effective_ms, subscribed_ms = life.attached_ms - delay_ms, life.channel[0]
    return (subscribed_ms if subscribed_ms > effective_ms else effective_ms) - life.read_ms
