"""How many files a process of the cluster may have open: a connection is one."""

import resource

from chunk7.delivery.errors import UsageError

_SPARE = 64
"""Records, logs, listeners, the store, and what the interpreter has."""


def allow_files(users: int, each: int) -> None:
    """Raise our limit, which every part takes over, for `users` with `each` connections in one
    process. Raises UsageError where the system allows fewer: that would be refused clients later.
    """
    needed = each * users + _SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UsageError(
            f"--users {users}: one process has {needed} files open then, and {hard} are allowed "
            "(ulimit -n)"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
