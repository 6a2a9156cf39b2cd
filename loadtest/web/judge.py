"""Asks the judge (`GET URL/delivery?from_round=N&to_round=M`) for what tests delivered."""

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
_MOST_KEPT = 16
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
        self._kept: dict[tuple[int, int | None], tuple[float, DeliveryAnswer]] = {}

    def ask(self, from_round: int, to_round: int | None = None) -> DeliveryAnswer:
        """What came of the rounds from this one on, or from this to that; never raises."""
        if not self._url:
            return DeliveryAnswer(problem="no judge: Locust was started without --delivery URL")
        rounds = (from_round, to_round)
        with self._one_at_a_time:
            asked_s, answer = self._kept.pop(rounds, (-KEEP_S, DeliveryAnswer()))
            if not _is_last(rounds, answer) and time.monotonic() - asked_s > KEEP_S:
                answer = self._asked(*rounds)
                asked_s = time.monotonic()
            self._kept[rounds] = (asked_s, answer)
            while len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]  # who was not asked for longest
            return answer

    def _asked(self, from_round: int, to_round: int | None) -> DeliveryAnswer:
        until = "" if to_round is None else f"&to_round={to_round}"
        url = f"{self._url}/delivery?from_round={from_round}{until}"
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


def _is_last(rounds: tuple[int, int | None], answer: DeliveryAnswer) -> bool:
    """Whether nothing can be added to it any more."""
    document = answer.document
    return rounds[1] is not None and document is not None and document.state == "over"
