"""Adapters without a file, and connections read to their end."""

import time
from typing import Any

import msgspec

from chunk7.loadtest.targets.adapter import Adapter, AdapterFile
from chunk7.loadtest.targets.errors import Closed
from chunk7.loadtest.targets.paths import Message
from chunk7.loadtest.targets.transport import TargetConnection


def make_adapter(url: str, **content: Any) -> Adapter:
    """With one rule, that the whole frame is a chunk's text, unless `frames` are given."""
    content = {"frames": [{"is": "chunk", "text": "$"}], "name": "target", "url": url} | content
    file = msgspec.convert(content, AdapterFile)
    fields: dict[str, Any] = {name: getattr(file, name) for name in AdapterFile.__struct_fields__}
    return Adapter(**fields, file="target.yaml", written=content)


def soon(seconds: float = 10) -> float:
    """A deadline that only a fault reaches."""
    return time.monotonic() + seconds


def receive_all(connection: TargetConnection) -> tuple[list[Message], Closed]:
    """Every message, and how the connection ended."""
    messages: list[Message] = []
    try:
        while True:
            messages += connection.receive(soon())
    except Closed as closed:
        connection.close(1)
        return messages, closed
