"""Parts and the cluster, with tiny real processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from chunk7.cluster.deployments.parts import Part, Process
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.delivery.errors import Chunk7Error, PartDied

pytestmark = pytest.mark.clocked

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); " + SLEEPS


def part(folder: Path, name: str, code: str, **more: object) -> Part:
    """A Python one-liner as a part; it is ready when it has written a line."""
    log = folder / f"{name}.log"

    async def ready() -> bool:
        return b"up" in log.read_bytes()

    settings = {"ready": ready, **more}
    return Part(name, (sys.executable, "-c", code), log, **settings)  # type: ignore[arg-type]


async def gone(pid: int, within_s: float = 10) -> bool:
    """Whether the process ends, or is a zombie that somebody else must reap, in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_leaving_the_cluster_stops_every_part(tmp_path: Path) -> None:
    async with Cluster(tmp_path) as cluster:
        parts = [part(tmp_path, "a", SLEEPS), part(tmp_path, "b", SLEEPS)]
        started = await cluster.start(*parts)
        pids = json.loads((tmp_path / "pids.json").read_text())
        assert pids == {"a": started[0].pid, "b": started[1].pid}
        assert all(psutil.pid_exists(process.pid) for process in started)
    assert not any(psutil.pid_exists(process.pid) for process in started)


async def test_a_part_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    async with Cluster(tmp_path) as cluster:
        [process] = await cluster.start(part(tmp_path, "deaf", STUBBORN, stop_within_s=0.2))
    assert await process.wait() == -signal.SIGKILL


async def test_the_children_of_a_part_end_with_it(tmp_path: Path) -> None:
    children = tmp_path / "children"
    code = f"""
        import pathlib, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}])
        pathlib.Path({str(children)!r}).write_text(str(child.pid))
        time.sleep(60)
    """
    async with Cluster(tmp_path) as cluster:
        await cluster.start(part(tmp_path, "parent", textwrap.dedent(code)))
        child = int(children.read_text())
        assert psutil.pid_exists(child)
    assert await gone(child)


async def test_a_part_that_dies_ends_the_work_and_is_named_with_its_last_lines(
    tmp_path: Path,
) -> None:
    async with Cluster(tmp_path) as cluster:
        await cluster.start(part(tmp_path, "bystander", SLEEPS))
        code = "print('up', flush=True)\nfor i in range(40): print('line', i)\ninput()"
        [victim] = await cluster.start(part(tmp_path, "victim", code.replace("input()", SLEEPS)))
        os.kill(victim.pid, signal.SIGKILL)
        with pytest.raises(PartDied) as caught:
            await cluster.while_alive(asyncio.sleep(60))
    told = str(caught.value).splitlines()
    assert told[0] == f"victim was killed by SIGKILL ({tmp_path}/victim.log):"
    assert told[-1] == "  up"
    assert len(told) <= 16


async def test_one_that_was_begun_is_waited_for_later(tmp_path: Path) -> None:
    async with Cluster(tmp_path) as cluster:
        begun = await cluster.begin(part(tmp_path, "a", SLEEPS), part(tmp_path, "b", SLEEPS))
        await cluster.start(part(tmp_path, "beside", SLEEPS))
        await cluster.ready(begun)
        assert b"up" in (tmp_path / "b.log").read_bytes()


async def test_one_that_is_held_goes_on_when_it_is_let_go(tmp_path: Path) -> None:
    code = "print('up', flush=True); said = __import__('sys').stdin.read(); print('on', said)"
    async with Cluster(tmp_path) as cluster:
        [process] = await cluster.start(
            part(tmp_path, "load", code, held=True, ends_by_itself=True)
        )
        assert process.alive
        process.let_go()
        assert await cluster.while_alive(process.wait()) == 0
    assert (tmp_path / "load.log").read_text() == "up\non \n"


async def test_one_that_is_held_ends_with_its_cluster(tmp_path: Path) -> None:
    code = "print('up', flush=True); __import__('sys').stdin.read()"
    async with Cluster(tmp_path) as cluster:
        [process] = await cluster.start(part(tmp_path, "load", code, held=True))
    assert await process.wait() == -signal.SIGTERM


async def test_a_part_that_dies_at_start_is_not_waited_for(tmp_path: Path) -> None:
    broken = part(tmp_path, "broken", "raise SystemExit('no good')")
    with pytest.raises(PartDied, match=r"broken ended by itself with exit code 1 .*\n  no good"):
        async with Cluster(tmp_path) as cluster:
            await cluster.start(broken)


@pytest.mark.parametrize("words", ["chunk7: --host is none", "asking: error: --host is none"])
async def test_one_that_says_what_it_cannot_use_is_quoted_alone_with_its_code(
    tmp_path: Path, words: str
) -> None:
    """A wrong adapter was found by Locust, whose last fifteen lines of statistics came instead."""
    code = f"import sys; print('statistics'); print({words!r}, file=sys.stderr); sys.exit(2)"
    with pytest.raises(PartDied) as caught:
        async with Cluster(tmp_path) as cluster:
            await cluster.start(part(tmp_path, "locust", code))
    assert str(caught.value) == f"--host is none (locust's log: {tmp_path}/locust.log)"
    assert caught.value.exit_code == 2


async def test_a_part_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    mute = part(tmp_path, "mute", "import time; time.sleep(60)", ready=never, ready_within_s=0.3)
    with pytest.raises(PartDied, match=r"mute was not ready within 0.3 s \(.*mute.log, empty\)"):
        async with Cluster(tmp_path) as cluster:
            await cluster.start(mute)


async def run_job(folder: Path, code: str) -> int:
    """The exit code of a part that may end by itself."""
    async with Cluster(folder) as cluster:
        [process] = await cluster.start(part(folder, "job", code, ends_by_itself=True))
        return await cluster.while_alive(process.wait())


async def test_the_end_of_a_part_that_may_end_is_no_death(tmp_path: Path) -> None:
    assert await run_job(tmp_path, "print('up')") == 0


async def test_but_its_failure_is(tmp_path: Path) -> None:
    with pytest.raises(PartDied, match="job ended by itself with exit code 3"):
        await run_job(tmp_path, "print('up', flush=True); raise SystemExit(3)")


async def test_cancelling_the_work_stops_every_part(tmp_path: Path) -> None:
    started: asyncio.Future[Process] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with Cluster(tmp_path) as cluster:
            started.set_result((await cluster.start(part(tmp_path, "a", SLEEPS)))[0])
            await cluster.while_alive(asyncio.sleep(60))

    task = asyncio.create_task(work())
    process = await started
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(process.pid)


async def test_a_program_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    nothing = Part("nothing", (tmp_path / "no-such-program",), tmp_path / "nothing.log")
    with pytest.raises(Chunk7Error, match=r"nothing cannot be started: .*No such file"):
        await Process.start(nothing)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
@pytest.mark.live
async def test_nothing_survives_a_kill_of_chunk7_itself(tmp_path: Path) -> None:
    script = f"""
        import asyncio, sys
        from pathlib import Path
        from chunk7.cluster.deployments.parts import Part
        from chunk7.cluster.deployments.supervise import Cluster

        async def main():
            folder = Path({str(tmp_path)!r})
            async with Cluster(folder) as cluster:
                code = {STUBBORN!r}
                await cluster.start(Part("orphan", (sys.executable, "-c", code), folder / "log"))
                print("ready", flush=True)
                await asyncio.sleep(60)

        asyncio.run(main())
    """
    owner = subprocess.Popen(  # noqa: ASYNC220 - the test needs no loop meanwhile
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"ready\n"
    orphan = json.loads((tmp_path / "pids.json").read_text())["orphan"]
    owner.kill()
    owner.wait()
    assert await gone(orphan)
