"""msgspec's complaint about a record, as one line for whoever wrote it: place, what is allowed."""

import re
from typing import Any

import msgspec

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key` in `)?(?P<at>\$.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|\.?([^.\[\]]+)")
_NAMES = {"array": "a list", "object": "a mapping", "str": "a text (in quotes)", "int": "a number"}


def explain(message: str, record: type) -> str:
    """`Invalid enum value 'x' - at `$.frames[0].is`` as `frames.0.is: 'x' is none of a, b`."""
    found = _AT.match(message)
    assert found is not None, message
    steps = [index or key for index, key in _STEP.findall((found["at"] or "$")[1:])]
    kinds = _kinds(msgspec.inspect.type_info(record), steps)
    place = ".".join(step for step in steps if step != "...")
    what = _plain(found["what"], kinds)
    return f"{place}: {what}" if place else what


def _plain(what: str, kinds: list[msgspec.inspect.Type]) -> str:
    if unknown := re.match(r"Object contains unknown field `(.*)`", what):
        return f"{unknown[1]} is unknown; allowed: {', '.join(_fields(kinds))}"
    if missing := re.match(r"Object missing required field `(.*)`", what):
        return f"{missing[1]} is missing"
    if value := re.match(r"Invalid enum value (.*)", what):
        return f"{value[1]} is none of {', '.join(_literals(kinds))}"
    return re.sub(r"`(\w+)(?: \| null)?`", lambda name: _NAMES.get(name[1], name[1]), what).lower()


def _kinds(root: msgspec.inspect.Type, steps: list[str]) -> list[msgspec.inspect.Type]:
    """The types that are allowed at the end of `steps`."""
    kinds = _alternatives(root)
    for step in steps:
        kinds = [found for kind in kinds for found in _below(kind, step)]
    return kinds


def _alternatives(kind: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    return list(kind.types) if isinstance(kind, msgspec.inspect.UnionType) else [kind]


def _below(kind: msgspec.inspect.Type, step: str) -> list[msgspec.inspect.Type]:
    if isinstance(kind, msgspec.inspect.StructType):
        types = [field.type for field in kind.fields if field.encode_name == step]
        return [found for type_ in types for found in _alternatives(type_)]
    if isinstance(kind, msgspec.inspect.VarTupleType):
        return _alternatives(kind.item_type)
    return _alternatives(kind.value_type) if isinstance(kind, msgspec.inspect.DictType) else []


def _fields(kinds: list[Any]) -> list[str]:
    structs = [kind for kind in kinds if isinstance(kind, msgspec.inspect.StructType)]
    return [field.encode_name for kind in structs for field in kind.fields]


def _literals(kinds: list[Any]) -> list[str]:
    literals = [kind for kind in kinds if isinstance(kind, msgspec.inspect.LiteralType)]
    return [str(value) for kind in literals for value in kind.values]
