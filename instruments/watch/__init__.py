"""A store's MONITOR as an instrument: lines -> commands -> events -> joins with their windows.

`source` alone reads sockets and files; all else is pure. docs/watch.md says what it can see.
"""
