"""Whether a step of a schedule is its actor's turn."""

from typing import Any

from chunk7.delivery.effects import Pause
from chunk7.delivery.errors import Chunk7Error
from chunk7.delivery.stepping import Steps
from chunk7.simulator.explore.naming import effect_name
from chunk7.simulator.explore.schedule import Step


def unpaused(steps: Steps) -> Steps:
    """The steps at their next effect that is no Pause: here nothing takes time."""
    while type(steps.effect) is Pause:
        steps.advance(None)
    return steps


def expect(step: Step, effect: Any) -> None:
    """Raise Chunk7Error unless the effect is what the step says."""
    if effect is None or effect_name(effect) != step.effect:
        raise misplaced(step, "nothing" if effect is None else effect_name(effect))


def misplaced(step: Step, instead: str) -> Chunk7Error:
    """The step is not what its actor would do next."""
    return Chunk7Error(f"{step.actor} {step.effect} is not its turn: it does {instead}")
