"""Starts short helper processes: sandboxed, bounded in time, memory and output, gone with the daemon.

Each runs in a session of its own below ``sandbox.py``. Its end is learnt from a pidfd and the whole process group is
killed before the leader is reaped, while its process id cannot have been given to anyone else. Linux only.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

SANDBOX = Path(__file__).with_name("sandbox.py")

PROCESSES_MAX = 4
"""Helper processes alive at once (processes); the next one waits, and its time does not run meanwhile."""

CHUNK_BYTES = 1 << 16
"""Read at once from a pipe."""

LAST_OUTPUT_S = 1.0
"""How long, seconds, output is still read after the end: a process that left the group may hold the pipe open."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a helper process left; see ``actors.runtime.world.ProcessResult``."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class _Pipe:
    """Reads one pipe to its end, keeps at most ``limit`` bytes and drops the rest, so that the writer never blocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self._limit = limit
        self._kept = bytearray()
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.write_end, True)  # the process expects an ordinary pipe; the flag is not shared
        self._ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self.read_end, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self.read_end, CHUNK_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self.read_end)
            if not self._ended.done():
                self._ended.set_result(None)
            return
        self._kept += data[: self._limit - len(self._kept)]

    def started(self) -> None:
        """Let go of the writing end, which the process has now."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    async def rest(self) -> bytes:
        """Return what was kept, after the end of the pipe or ``LAST_OUTPUT_S``."""
        await asyncio.wait({self._ended}, timeout=LAST_OUTPUT_S)
        return bytes(self._kept)

    def close(self) -> None:
        """Let go of both ends."""
        self.started()
        self._loop.remove_reader(self.read_end)
        os.close(self.read_end)


class SystemSpawner:
    """The ``Spawner`` of production. Used on one event loop, which runs in the main thread.

    (The kernel ties the death of a child to the *thread* that started it, prctl(2).)
    """

    def __init__(self, processes_max: int = PROCESSES_MAX) -> None:
        self._places = asyncio.Semaphore(processes_max)

    async def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        memory_limit_bytes: int | None = None,
        environment: Mapping[str, str] | None = None,
        output_limit_bytes: int = 1 << 20,
    ) -> Finished:
        """Run to the end, or kill the whole group at ``timeout_s`` and raise TimeoutError.

        The environment is PATH, a HOME that does not exist, a UTF-8 locale, and ``environment`` over them. Output
        beyond ``output_limit_bytes`` each is dropped. A program that cannot be started exits 127, without limits 125.
        """
        limits = [str(os.getpid()), str(memory_limit_bytes or 0)]
        command = [sys.executable, "-I", "-S", str(SANDBOX), *limits, "--", *argv]
        loop = asyncio.get_running_loop()
        async with self._places:
            with closing(_Pipe(loop, output_limit_bytes)) as out, closing(_Pipe(loop, output_limit_bytes)) as err:
                process = subprocess.Popen(  # noqa: ASYNC220  # returns at the exec, a few milliseconds
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out.write_end,
                    stderr=err.write_end,
                    env=_environment(environment),
                    start_new_session=True,
                )
                out.started()
                err.started()
                exit_code = await _end_of(process, loop, timeout_s)
                return Finished(exit_code, await out.rest(), await err.rest())


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Return the environment of a helper: nothing of the daemon's but PATH, so no key can reach it."""
    own = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    return {**own, **(extra or {})}


async def _end_of(process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, timeout_s: float) -> int:
    """Wait for the end of a process and return its exit code; whatever happens, its group is dead and it is reaped."""
    exited = asyncio.Event()
    watch = -1
    try:
        watch = os.pidfd_open(process.pid)
        loop.add_reader(watch, exited.set)
        async with asyncio.timeout(timeout_s):
            await exited.wait()
    finally:
        if watch >= 0:
            loop.remove_reader(watch)
            os.close(watch)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()  # at once: it has exited or was just killed
    return process.returncode
