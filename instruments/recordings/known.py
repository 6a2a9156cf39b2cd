"""Frames that need no adapter: those of the providers, and chunk7's own.

Each is a list of rules as an adapter has them (docs/targets.md).
"""

from collections.abc import Iterator
from typing import Any

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.targets.adapter import Adapter, FrameRule

_OWN = {
    "session": "session_id", "message": "message_id", "index": "index", "seq": "seq",
    "text": "text",
}  # fmt: skip


def _only(names: tuple[str, ...]) -> dict[str, str]:
    return {name: _OWN[name] for name in names}


_DONE = FrameRule(kind="end", when={"@data": "[DONE]"})
_REST = FrameRule(kind="control")

KNOWN: dict[str, tuple[FrameRule, ...]] = {
    "chunk7": (
        FrameRule(kind="history", when={"type": "history"}, each="messages", **_OWN),
        FrameRule(kind="chunk", when={"type": "chunk"}, **_OWN),
    ),
    "OpenAI chat completions": (
        FrameRule(
            kind="chunk",
            when={"object": "chat.completion.chunk", "choices.0.delta.content": "*"},
            text="choices.0.delta.content",
        ),
    ),
    "OpenAI responses": (
        FrameRule(kind="chunk", when={"type": "response.output_text.delta"}, text="delta"),
        FrameRule(kind="end", when={"type": "response.completed"}),
    ),
    "Anthropic messages": (
        FrameRule(
            kind="chunk",
            when={"type": "content_block_delta", "delta.type": "text_delta"},
            text="delta.text",
        ),
        FrameRule(kind="end", when={"type": "message_stop"}),
    ),
    "objects with text": tuple(
        FrameRule(kind="chunk", when={_OWN[name]: "*" for name in names}, **_only(names))
        for names in (
            ("session", "message", "index", "seq", "text"),
            ("message", "index", "text"),
            ("seq", "text"),
            ("index", "text"),
            ("text",),
        )
    ),
}
"""By name, in the order in which they are tried."""


def known_adapters() -> dict[str, Adapter]:
    """By name, an adapter that reads such frames and connects to nothing."""
    return {
        name: Adapter(
            name="recording",
            url="http://recording/",
            frames=(*rules, _DONE, _REST),
            file=name,
            written={},
        )
        for name, rules in KNOWN.items()
    }


def plain_text() -> Adapter:
    """Reads every frame that is no end as a piece of text."""
    return Adapter(
        name="recording",
        url="http://recording/",
        framing="text",
        frames=(_DONE, FrameRule(kind="chunk", text="$")),
        file="plain text",
        written={},
    )


def payload_adapter(adapter: Adapter) -> Adapter:
    """Reads what `produce.payload` of an adapter writes: the store's own record of a chunk.

    Raises UsageError for an adapter that does not say, or writes it as no structure.
    """
    payload = None if adapter.produce is None else adapter.produce.payload
    paths = {name: path for path, name in _placed(payload, "")} if payload is not None else {}
    taken: dict[str, Any] = {_FIELDS[name]: path for name, path in paths.items() if name in _FIELDS}
    if "text" not in taken:
        raise UsageError(
            f"{adapter.file}: produce.payload: want a structure with a field that is {{text}}"
        )
    rules = (FrameRule(kind="chunk", **taken),)
    return Adapter(
        name="recording",
        url="http://recording/",
        frames=rules,
        file=f"{adapter.file}'s produce.payload",
        written={},
    )


_FIELDS = {
    "session_id": "session", "message_id": "message", "index": "index", "seq": "seq",
    "text": "text",
}  # fmt: skip
"""Fields of a rule, by the placeholder that writes them."""


def _placed(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, placeholder) of every value that is one placeholder and nothing else."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _placed(part, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _placed(part, f"{path}.{place}".lstrip("."))
    elif isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        yield path, value[1:-1]
