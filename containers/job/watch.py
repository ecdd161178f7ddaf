"""Watching one step (preparing, or the work) from its first process to the last: the main loop.

One selector over the pipes and the wake-ups. Whatever ends the step, every process of it is killed and reaped
before ``run`` returns.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from typing import IO, NamedTuple

from containers.job import memory, processes
from containers.job.clock import Clock
from containers.job.courier import Courier
from containers.job.gpu import GpuProbe
from containers.job.lines import LineCutter
from containers.job.outcome import Memory
from containers.job.policy import MEMORY_PRESSURE_SHARE, Order, Reason, Step, decide, seconds_to_next
from containers.job.settings import Settings
from containers.job.signals import Signals
from containers.job.spec import Work
from containers.job.spool import FILE_BYTES_MAX, Spool
from containers.job.standing import Standing

READ_BYTES = 64 << 10
TURN_MAX_S = 1.0
"""The wall clock can be set and a control can come: look at least this often."""
TURN_MIN_S = 0.005

SAMPLE_INTERVAL_S = 0.25
SAMPLE_INTERVAL_NEAR_S = 0.1
SAMPLE_NEAR_SHARE = 0.7
SAMPLE_INTERVAL_MAX_S = 1.0
SAMPLE_CPU_SHARE = 0.02
"""Among very many processes sampling is rarer, so that it takes this share of one core; see the longest interval."""

SIGTERM_SETTLE_S = 2.0
"""So long after work that a foreign SIGTERM ended the wrapper waits for its own one."""
_BY_SIGTERM = (-signal.SIGTERM, 128 + signal.SIGTERM)
PIPES_WAIT_S = 0.05
TAIL_LINES = 40
OOM_SCORE = 800
"""The kernel, if it must choose, chooses the work and not the wrapper (proc(5), oom_score_adj)."""

_DISK_WORDS = ("No space left on device", "Disk quota exceeded")
_MEMORY_WORDS = ("MemoryError", "bad_alloc", "Cannot allocate memory")


class StepEnd(NamedTuple):
    """How one step ended. Exit code and signal are ``None`` where it could not be started."""

    exit_code: int | None
    signal: int | None
    reason: Reason | None
    memory: Memory
    disk_full: bool
    note: str


class Tools(NamedTuple):
    """What a watch works with."""

    settings: Settings
    clock: Clock
    signals: Signals
    spool: Spool
    courier: Courier
    standing: Standing
    gpu: GpuProbe


class Watch:
    """One step. ``peak_bytes`` is the most memory it was seen with."""

    def __init__(self, tools: Tools, stage: str, limit_bytes: int) -> None:
        self.peak_bytes = 0
        self._tools = tools
        self._stage = stage
        self._limit_bytes = limit_bytes
        self._share = 0.0
        self._sample_next = 0.0
        self._status: int | None = None
        self._pid = -1
        self._selector = selectors.DefaultSelector()
        self._pipes: dict[int, tuple[str, LineCutter]] = {}
        self._waiting = False
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._kernel_kills = 0

    def run(self, work: Work, environment: dict[str, str]) -> StepEnd:
        """Start the command and stay until nothing of it is left."""
        with self._selector:
            return self._run(work, environment)

    def _run(self, work: Work, environment: dict[str, str]) -> StepEnd:
        self._kernel_kills = memory.oom_kills()
        order = decide(self._tools.standing.moment(), self._tools.standing.limits)
        if order.step is not Step.RUN:  # stopped, or too late, before it began
            return self._end(order.reason)
        try:
            process = self._spawn(work, environment)
        except (OSError, ValueError) as error:
            self._tail.append(f"{work.argv[0]}: {error}")
            return self._end(None)
        with process:
            try:
                reason = self._stay(work.limit_s)
            finally:
                processes.kill_everything(self._tools.settings.machine, self._tools.clock, self._on_exit)
                self._empty_pipes()
                process.returncode = self._status if self._status is not None else -signal.SIGKILL
        return self._end(reason)

    def _spawn(self, work: Work, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            work.argv,
            cwd=self._tools.settings.scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._pid = process.pid
        with contextlib.suppress(OSError), open(f"/proc/{process.pid}/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(OOM_SCORE))
        self._selector.register(self._tools.signals, selectors.EVENT_READ)
        self._take_pipe(process.stdout, "stdout")
        self._take_pipe(process.stderr, "stderr")
        return process

    def _take_pipe(self, pipe: IO[bytes] | None, stream: str) -> None:
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            self._pipes[pipe.fileno()] = (stream, LineCutter())
            self._selector.register(pipe.fileno(), selectors.EVENT_READ)

    def _stay(self, limit_s: float | None) -> Reason | None:
        """Turn until the command ends or must be killed; return the wrapper's own reason, if it had one."""
        standing, clock = self._tools.standing, self._tools.clock
        began = clock.boot()
        order = Order(Step.RUN)
        while True:
            past = None if limit_s is None or clock.boot() - began < limit_s else clock.boot() - began - limit_s
            moment = standing.moment(past, self._share)
            before, order = order, decide(moment, standing.limits)
            if order.step is Step.KILL:
                return order.reason
            if order.step is Step.TERM and before.step is Step.RUN:
                self._say(f"stopping the work: {order.reason.value if order.reason else ''}")
                self._terminate()
            wait = seconds_to_next(moment, standing.limits)
            if limit_s is not None and past is None:
                wait = min(wait, began + limit_s - clock.boot())
            self._turn(wait)
            if self._status is not None:
                return order.reason or self._late_reason()

    def _late_reason(self) -> Reason | None:
        """Return what ended the work from outside although nobody had said so before it was gone.

        Who shuts a machine down sends SIGTERM to everything in it, in any order: ours may come a moment after the
        work's, or in the same turn.
        """
        if self._status == 0:
            return None
        tools = self._tools
        until = tools.clock.boot() + (SIGTERM_SETTLE_S if self._status in _BY_SIGTERM else 0.0)
        while not tools.signals.noticed and (left := until - tools.clock.boot()) > 0:
            self._turn(left)
        return Reason.INTERRUPTED if tools.signals.noticed else None

    def _turn(self, wait_s: float) -> None:
        tools = self._tools
        now = tools.clock.boot()
        self._hold_pipes(tools.spool.must_wait(now))
        wait = min(wait_s, TURN_MAX_S, self._sample_next - now, PIPES_WAIT_S if self._waiting else TURN_MAX_S)
        for key, _ in self._selector.select(max(wait, TURN_MIN_S)):
            if key.fd in self._pipes:
                self._read(key.fd)
            else:
                tools.signals.drain()
        processes.reap(self._on_exit)
        now = tools.clock.boot()
        if now >= self._sample_next and self._status is None:
            self._sample(now)
        tools.gpu.tick(now)

    def _sample(self, now: float) -> None:
        before = time.thread_time()
        found = processes.descendants(processes.scan(), {os.getpid()})
        pids = [seen.pid for seen in found if seen.pid != self._tools.gpu.pid]
        used = memory.used_bytes(pids, self._limit_bytes)
        self.peak_bytes = max(self.peak_bytes, used)
        self._share = used / self._limit_bytes
        near = self._share >= SAMPLE_NEAR_SHARE
        took = time.thread_time() - before
        self._sample_next = now + min(
            max(SAMPLE_INTERVAL_NEAR_S if near else SAMPLE_INTERVAL_S, took / SAMPLE_CPU_SHARE), SAMPLE_INTERVAL_MAX_S
        )
        self._tools.courier.vitals = {
            "stage": self._stage,
            "rss_bytes": used,
            "memory_limit_bytes": self._limit_bytes,
            "gpu_use_percent": self._tools.gpu.percent,
        }

    def _read(self, descriptor: int) -> bool:
        """Read once; return whether there may be more."""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        stream, cutter = self._pipes[descriptor]
        for text in cutter.feed(data) if data else cutter.finish():
            self._add(stream, text)
        if not data:
            del self._pipes[descriptor]
            with contextlib.suppress(KeyError):
                self._selector.unregister(descriptor)
        return bool(data)

    def _add(self, stream: str, text: str) -> None:
        if stream == "stderr" and text.strip():
            self._tail.append(text)
        clock = self._tools.clock
        now = clock.boot()
        self._tools.spool.add(stream, text, clock.wall(), now)
        if self._tools.spool.due(now, FILE_BYTES_MAX) == 0.0:
            self._tools.courier.poke()

    def _say(self, text: str) -> None:
        self._tools.spool.add("wrapper", text, self._tools.clock.wall(), self._tools.clock.boot())

    def _hold_pipes(self, wait: bool) -> None:
        if wait == self._waiting:
            return
        self._waiting = wait
        for descriptor in self._pipes:
            if wait:
                self._selector.unregister(descriptor)
            else:
                self._selector.register(descriptor, selectors.EVENT_READ)

    def _empty_pipes(self) -> None:
        """All writers are dead: read what is left (a pipe holds 64 KiB unless told otherwise), then let go."""
        for descriptor in list(self._pipes):
            while self._read(descriptor):
                pass
            if descriptor in self._pipes:  # something unkillable still holds the other end
                stream, cutter = self._pipes.pop(descriptor)
                for text in cutter.finish():
                    self._add(stream, text)

    def _terminate(self) -> None:
        """SIGTERM to the whole group; its leader is not reaped, so the number is still its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGTERM)

    def _on_exit(self, pid: int, status: int) -> None:
        if pid == self._pid:
            self._status = os.waitstatus_to_exitcode(status)
        elif pid == self._tools.gpu.pid:
            self._tools.gpu.on_exit(os.waitstatus_to_exitcode(status))

    def _end(self, reason: Reason | None) -> StepEnd:
        status = self._status
        tail = list(self._tail)
        return StepEnd(
            exit_code=status if status is not None and status >= 0 else None,
            signal=-status if status is not None and status < 0 else None,
            reason=reason,
            memory=self._memory_evidence(tail),
            disk_full=any(word in line for line in tail for word in _DISK_WORDS),
            note=tail[-1][:200] if tail else "",
        )

    def _memory_evidence(self, tail: list[str]) -> Memory:
        if memory.oom_kills() > self._kernel_kills and self._status in (-signal.SIGKILL, 128 + signal.SIGKILL):
            return Memory.PROVEN
        if any(word in line for line in tail for word in _MEMORY_WORDS):
            return Memory.PROVEN
        return Memory.PRESSURE if self.peak_bytes >= self._limit_bytes * MEMORY_PRESSURE_SHARE else Memory.NONE
