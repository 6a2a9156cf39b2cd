"""Asks the judge of a running test (`GET URL/delivery?from_round=N`) for what was delivered."""

import time
from urllib.request import ProxyHandler, build_opener

import gevent
import msgspec
from gevent.lock import Semaphore

from chunk7.wire.live import Document

TIMEOUT_S = 1.5
"""From asking to the last byte. An answer that takes longer is none."""
KEEP_S = 1.0
"""For so long an answer, or its absence, is given to all who ask."""
_MOST_BYTES = 8 * 2**20


class DeliveryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A document, or in one line why there is none."""

    document: Document | None = None
    problem: str = ""


class JudgeClient:
    """The judge at one URL, asked at most once in KEEP_S whoever looks; "" is no judge at all.

    To wait for it holds up nobody but the asking greenlet.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._one_at_a_time = Semaphore()
        self._kept: tuple[float, int, DeliveryAnswer] | None = None

    def ask(self, from_round: int) -> DeliveryAnswer:
        """What came of the rounds from this one on; never raises."""
        if not self._url:
            return DeliveryAnswer(problem="no judge: Locust was started without --delivery URL")
        with self._one_at_a_time:
            kept = self._kept
            if kept is None or kept[1] != from_round or time.monotonic() - kept[0] > KEEP_S:
                answer = self._asked(from_round)
                kept = self._kept = (time.monotonic(), from_round, answer)
            return kept[2]

    def _asked(self, from_round: int) -> DeliveryAnswer:
        url = f"{self._url}/delivery?from_round={from_round}"
        late = gevent.Timeout(TIMEOUT_S)
        try:
            with late, build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT_S) as answer:
                body = answer.read(_MOST_BYTES)
            return DeliveryAnswer(document=msgspec.json.decode(body, type=Document))
        except gevent.Timeout:
            return DeliveryAnswer(
                problem=f"the judge at {self._url} did not answer within {TIMEOUT_S:g} s"
            )
        except msgspec.MsgspecError as error:
            return DeliveryAnswer(
                problem=f"the judge at {self._url} answered with something else: {error}"
            )
        except Exception as error:  # whatever HTTP can do wrong is shown, not raised
            reason = getattr(error, "reason", None) or error
            return DeliveryAnswer(problem=f"the judge at {self._url} does not answer: {reason}")
