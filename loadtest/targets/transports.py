"""Which transport a target is spoken to by. Named here, and imported when it is needed: whoever
only reads an adapter shall not import gevent.
"""

BY_SCHEME = {
    "ws": "websocket_target",
    "wss": "websocket_target",
    "http": "sse",
    "https": "sse",
}
"""By the URL's scheme, the module beside this one whose `open_connection` is the `Transport`."""
BY_FRAMING = {
    "socket.io": "socketio",
}
"""The same by the adapter's `framing`, which goes first."""
