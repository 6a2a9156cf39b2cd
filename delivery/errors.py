"""Every error that chunk7 raises on purpose, and the exit code it ends the command with.

Chunk7Error                 1   chunk7 could not do its job
+-- UsageError              2   an option, a file or a name that the user can mend
+-- OrderingError           1   an ordering yielded something that is no effect, or never ends
+-- StoreError              1   the store refused or dropped a command
|   +-- StoreLost           1   the connection went away; the command's outcome is unknown
|   +-- StoreUnreachable    1   nobody answered at the address, or who did refused us
+-- PartDied                1   a process of the cluster ended before it was told to
+-- RecordError             1   a run folder is damaged, foreign or contradictory
+-- WriteError              1   a file cannot be written: disk full, read-only, too many open
+-- Interrupted           128+N   a signal told chunk7 to stop
"""


class Chunk7Error(Exception):
    """Root of the tree. `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(Chunk7Error):
    """Bad input; the message names the option or field and what it may be."""

    exit_code = 2


class OrderingError(Chunk7Error):
    """An ordering broke the protocol of `chunk7.delivery.ordering`."""


class StoreError(Chunk7Error):
    """The store answered with an error."""


class StoreLost(StoreError):
    """The connection broke while a command was under way: done or not, nobody knows."""


class StoreUnreachable(StoreError):
    """No store answered at the given address, or it refused the login."""


class PartDied(Chunk7Error):
    """A part of the cluster ended by itself; the message names it and quotes its log."""


class RecordError(Chunk7Error):
    """A recorded file cannot be trusted; the message names the file."""


class WriteError(Chunk7Error):
    """A file cannot be written, and is as it was before; the message names it and says why."""


class Interrupted(Chunk7Error):
    """SIGINT, SIGTERM or SIGHUP came; the exit code is 128 plus its number, as shells have it."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"stopped by {name}")
        self.exit_code = 128 + number
