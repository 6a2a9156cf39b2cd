"""Texts and JSON with places in braces, `{session_id}`: of adapters, and of stores' layouts."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from chunk7.delivery.errors import UsageError

Values = Mapping[str, Any]
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def fill(template: Any, values: Values) -> Any:
    """A JSON value with its placeholders replaced; a text that is one of them keeps its type.

    Raises UsageError for one that `values` does not have.
    """
    if isinstance(template, Mapping):
        return {key: fill(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, values) for value in template]
    if not isinstance(template, str):
        return template
    whole = _PLACEHOLDER.fullmatch(template)
    return _value(whole[1], values) if whole else fill_text(template, values)


def fill_text(template: str, values: Values) -> str:
    """A text with its placeholders replaced. Raises as `fill`."""
    return _PLACEHOLDER.sub(lambda found: _spelled(_value(found[1], values)), template)


def fill_url(template: str, values: Values) -> str:
    """A URL with its placeholders replaced, and percent-encoded. Raises as `fill`."""
    return _PLACEHOLDER.sub(lambda found: quote(str(_value(found[1], values)), safe=""), template)


def placeholders(template: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every placeholder in a JSON value, and its place: (`headers.Cookie`, `session_id`)."""
    for where, text in texts(template, place):
        for name in _PLACEHOLDER.findall(text):
            yield where, name


def texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, with its place."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from texts(part, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from texts(part, f"{place}.{i}")
    elif isinstance(value, str):
        yield place, value


def without_secrets(url: str) -> str:
    """A URL as a message may show it: without password and query, which may hold keys."""
    return re.sub(r"//[^/@]*@", "//", url.partition("?")[0])


def _value(name: str, values: Values) -> Any:
    try:
        return values[name]
    except KeyError:
        raise UsageError(f"{{{name}}} is none of {braced(values)}") from None


def _spelled(value: Any) -> str:
    """As JSON has it: a flag is `true`, and not Python's `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def braced(names: Values | tuple[str, ...]) -> str:
    """As a message lists them."""
    return ", ".join(f"{{{name}}}" for name in names)
