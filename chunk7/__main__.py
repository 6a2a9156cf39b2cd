"""The `chunk7` command, and `python -m chunk7`: what comes before anything else is imported.

An import takes its time, and a KeyboardInterrupt in one is a traceback through other people's code.
There is nothing to clean up yet, so Ctrl-C simply ends the process, with a line and its code. What
is imported here is in the interpreter already: `signal` itself brings `enum`, and takes 10 ms. The
interpreter's own start, before this file, is nothing that we could change.
"""

import _signal as signal  # type: ignore[import-not-found]
import os
import sys


def main() -> int:
    """The command line; its exit code."""
    _stop_at_ctrl_c()
    from chunk7.cli import main as command_line

    code = command_line()
    _stop_at_ctrl_c()
    return code


def _stop_at_ctrl_c() -> None:
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else we are to ignore it
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, _: object) -> None:
    os.write(2, b"chunk7: stopped by SIGINT\n")
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
