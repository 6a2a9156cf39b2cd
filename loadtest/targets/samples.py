"""Adapters to begin with, one for each common kind of back end: `chunk7 target init`."""

from pathlib import Path

FOLDER = Path(__file__).parent / "samples"
SAMPLES = {
    "websocket": "JSON messages over a WebSocket",
    "sse": "server-sent events with an id",
    "openai": "chat completions as OpenAI streams them",
    "langgraph": "a LangGraph server's threads",
    "socket.io": "events of a socket.io 3 or 4 server",
}
"""By name, what it is for; the file has the same name."""


def sample(name: str) -> str:
    """The adapter's text."""
    return (FOLDER / f"{name}.yaml").read_text()
