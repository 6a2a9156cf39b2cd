"""The law's three ways to lose a chunk in the handover, at one instant and at many."""

import math

import numpy as np
import pytest

from chunk7.delivery.causes import handover_causes
from chunk7.delivery.verdicts import Cause

READ, SUBSCRIBED = 10.0, 20.0


@pytest.mark.parametrize(
    ("published", "saved", "did_not_wait", "cause"),
    [
        (15.0, 16.0, False, Cause.HANDOVER_GAP),
        (15.0, 16.0, True, Cause.UNCONFIRMED_SUBSCRIBE),
        (5.0, 12.0, False, Cause.SAVE_LAG),
        (5.0, 12.0, True, Cause.SAVE_LAG),
        (10.0, 12.0, False, Cause.SAVE_LAG),  # a chunk published as the history is read
        (5.0, 8.0, False, None),  # the read has it
        (25.0, 26.0, False, None),  # the subscription has it
        (math.nan, 12.0, False, None),  # never published
    ],
)
def test_the_first_rule_that_fits_is_the_cause(
    published: float, saved: float, did_not_wait: bool, cause: Cause | None
) -> None:
    unheard = published < SUBSCRIBED
    rules = handover_causes(published, saved, READ, unheard, did_not_wait, unheard)
    assert next((name for name, fits in rules if fits), None) == cause
    arrays = [np.array([value]) for value in (published, saved, READ)]
    flags = [np.array([value]) for value in (unheard, did_not_wait, unheard)]
    of_many = handover_causes(*arrays, *flags)
    assert [bool(fits[0]) for _, fits in of_many] == [bool(fits) for _, fits in rules]
