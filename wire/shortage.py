"""What the system would not give: room on a disk, a place to write, files that may be open."""

import errno

from chunk7.wire.whole_files import reason

_SHORT_OF = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
}
_HINTS = {errno.EMFILE: " (ulimit -n)"}


def shortage(error: BaseException) -> str | None:
    """One line for a person who can mend it; None for an error that says something else."""
    if not isinstance(error, OSError) or error.errno not in _SHORT_OF:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{reason(error)}{_HINTS.get(error.errno, '')}"
