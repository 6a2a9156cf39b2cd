"""What actors and effects are called in schedules; errors of orderings, by their name."""

import re
from functools import cache
from typing import Any

from chunk7.delivery.chunk import End
from chunk7.delivery.errors import OrderingError

MISHANDLED = (AttributeError, TypeError, ValueError)
"""What comes of an effect with a field that is not of its kind."""


OF_END = "_end"
"""Ends the name of what a producer does with the end of an answer."""


@cache
def node_name(node: int) -> str:
    """The node's name as a subscriber, and as an actor."""
    return f"node{node + 1}"


@cache
def join_name(node: int, place: int) -> str:
    """What a node does for one client, as an actor."""
    return f"node{node + 1}.join{place + 1}"


def effect_name(effect: Any) -> str:
    """An effect's name in schedules: its class name in small letters, and whether of an end."""
    name = snake_case(type(effect).__name__)
    return name + OF_END if type(getattr(effect, "chunk", None)) is End else name


@cache
def snake_case(name: str) -> str:
    """A class name in small letters."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", name).lower()


def impossible(name: str, effect: Any, error: Exception) -> OrderingError:
    """The named ordering asked for something that cannot be done."""
    return OrderingError(f"{name}: cannot perform {effect!r}: {error}")


def misplaced(name: str, effect: Any) -> OrderingError:
    """The named ordering asked for an effect of the other side's."""
    return OrderingError(f"{name}: {type(effect).__name__} belongs to the other side")
