"""One process of a cluster: what to start, how to see that it is ready, how to stop it.

Each part is the leader of a session and process group of its own: a Ctrl-C at the terminal reaches
chunk7 only, which then stops the parts in order, and killing the group takes a part's own children
along. On Linux the kernel also signals a part when chunk7 itself is killed (PR_SET_PDEATHSIG), so
that nothing survives a `kill -9`.
"""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chunk7.delivery.errors import Chunk7Error, PartDied, UsageError

Probe = Callable[[], Awaitable[bool]]
"""Whether a part is ready now. Answers soon, raises nothing."""

HOST = "127.0.0.1"
"""Where all parts listen."""
QUOTED_LINES = 15
_OWN_WORDS = re.compile(r"(?:chunk7|[a-z0-9]+: error): (.+)")
_PROBE_EVERY_S = 0.02
_KILL_WITHIN_S = 2.0
_PR_SET_PDEATHSIG = 1


def python(module: str, options: Mapping[str, object]) -> tuple[str, ...]:
    """The command that runs a module with these options."""
    # -P: a folder called `chunk7` where the user happens to be is not ours.
    return (sys.executable, "-P", "-u", "-m", module, *spelled(options))


def spelled(options: Mapping[str, object]) -> tuple[str, ...]:
    """Options as words of a command line; one with a tuple of values is repeated."""
    repeated = (
        (option, value)
        for option, values in options.items()
        for value in (values if isinstance(values, tuple) else (values,))
    )
    return tuple(str(word) for pair in repeated for word in pair)


async def _at_once() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Part:
    """What to start. `log` gets the process's stdout and stderr, appended."""

    name: str
    command: tuple[str | Path, ...]
    log: Path
    ready: Probe = _at_once
    ready_within_s: float = 20.0
    stop_within_s: float = 2.0
    """From SIGTERM to SIGKILL."""
    ends_by_itself: bool = False
    """Its end with code 0 is success; any other part's end is a failure."""
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when chunk7 is gone. SIGTERM for a part that has children."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to our own."""
    folder: Path | None = None
    """Where it is started, if not where we are."""
    held: bool = False
    """It gets ready by itself and then waits for the end of its stdin: `Process.let_go`."""


class Process:
    """A part under way. Everything is done by its process id."""

    def __init__(self, part: Part, process: asyncio.subprocess.Process) -> None:
        self.part = part
        self.pid = process.pid
        self.end_planned = False
        """Somebody ends it on purpose, and the cluster goes on."""
        self._process = process

    @classmethod
    async def start(cls, part: Part) -> "Process":
        """Start the part and return at once. Raises Chunk7Error when it cannot be executed."""
        part.log.parent.mkdir(parents=True, exist_ok=True)
        with part.log.open("ab") as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *map(str, part.command),
                    stdin=asyncio.subprocess.PIPE if part.held else asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=part.folder,
                    env={**os.environ, **part.environment},
                    start_new_session=True,
                    preexec_fn=_tie_to_parent(part.orphan_signal),
                )
            except OSError as error:
                raise Chunk7Error(f"{part.name} cannot be started: {error}") from error
        return cls(part, process)

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet, as far as is known."""
        return self._process.returncode is None

    @property
    def died(self) -> bool:
        """Whether it has ended, and that end is not the one it was started for."""
        code = self._process.returncode
        planned = self.end_planned or (self.part.ends_by_itself and code == 0)
        return code is not None and not planned

    async def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        return await self._process.wait()

    async def wait_ready(self) -> None:
        """Poll the probe. Raises PartDied when it ends first, or is not ready in time."""
        within_s = self.part.ready_within_s
        try:
            async with asyncio.timeout(within_s):
                while not await self.part.ready():
                    if not self.alive:
                        raise self.death()
                    await asyncio.sleep(_PROBE_EVERY_S)
        except TimeoutError:
            raise PartDied(
                f"{self.part.name} was not ready within {within_s:g} s{self.last_lines()}"
            ) from None

    def let_go(self) -> None:
        """Have one that is held begin; nothing happens to any other."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def freeze(self) -> None:
        """SIGSTOP to it and its children, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def hang_up(self) -> None:
        """SIGHUP to the process alone: what servers take for "read your configuration again"."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGHUP)

    async def stop(self, within_s: float) -> None:
        """SIGTERM, wait, then SIGKILL what is left of its group, children included.

        With 0 s it is killed at once, and hears of nothing.
        """
        if self.alive and within_s > 0:
            self._signal(signal.SIGCONT)  # one that was frozen would not hear it
            self._signal(signal.SIGTERM)
            await self._ended_within(min(within_s, self.part.stop_within_s))
        self._signal(signal.SIGKILL)
        await self._ended_within(_KILL_WITHIN_S)

    def death(self) -> PartDied:
        """The error that says how it ended, with its last log lines.

        Or in its own words, and with its exit code, where it ended with the one clear line that
        every process of ours has for what it cannot do or use.
        """
        code, name = self._process.returncode, self.part.name
        said = [_OWN_WORDS.match(line) for line in _tail(self.part.log, QUOTED_LINES)]
        own = next((found[1] for found in reversed(said) if found), None)
        if own is None or code not in (Chunk7Error.exit_code, UsageError.exit_code):
            return PartDied(f"{name} {_how(code)}{self.last_lines()}")
        error = PartDied(f"{own} ({name}'s log: {self.part.log})")
        error.exit_code = code
        return error

    def last_lines(self) -> str:
        """Where its log is, and the end of it: an indented line each."""
        lines = _tail(self.part.log, QUOTED_LINES)
        if not lines:
            return f" ({self.part.log}, empty)"
        return f" ({self.part.log}):" + "".join(f"\n  {line}" for line in lines)

    async def _ended_within(self, within_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), within_s)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended by itself with exit code {code}"


def _tail(path: Path, count: int, most_bytes: int = 16_384) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - most_bytes))
        return file.read().decode(errors="replace").splitlines()[-count:]


def _tie_to_parent(orphan_signal: signal.Signals) -> Callable[[], None] | None:
    """What the child does between fork and exec, so that the kernel ends it after us."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded before the fork: it allocates
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
        if os.getppid() != parent:  # we were gone before the kernel knew
            os._exit(1)

    return tie
