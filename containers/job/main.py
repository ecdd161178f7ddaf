"""The machine's life: timer, opening, preparing, work, results, marker, end. In this order, once.

What must not happen: work running twice, anything running past the deadline, a marker before the results, a
marker replaced, a process left behind.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Mapping
from typing import Any

from containers.job import artifacts, memory, outcome, resume, scratch
from containers.job import folder as names
from containers.job.carrier import Carrier
from containers.job.clock import Clock, instant
from containers.job.courier import Courier
from containers.job.ending import Machine, end_machine, power_off, take_pod
from containers.job.folder import Folder, dump, parse_object, read_regular
from containers.job.gpu import GpuProbe
from containers.job.notice import NoticeWatch
from containers.job.objects import Copies, ObjectFolder, Stopped, Stores, placed, stores_of
from containers.job.opening import Opening, open_attempt
from containers.job.outcome import Artifacts, Ended, Memory, is_error_code
from containers.job.policy import Reason
from containers.job.processes import become_reaper, hide, ignore_exit, kill_everything
from containers.job.runpod import end_pod
from containers.job.settings import EXIT_CONFIG, Settings, SettingsError, read
from containers.job.signals import Signals
from containers.job.spec import Spec
from containers.job.spool import Spool
from containers.job.standing import Standing
from containers.job.timer import AFTER_DEADLINE_S, Timer
from containers.job.watch import StepEnd, Tools, Watch

NONCE_BYTES = 16
RETRY_S = 0.25
END_RESERVE_S = 2.0
"""Kept back of the timer's time for the end of the machine itself."""
NOTICE_WRITE_S = 1.0
"""What is left at least for checkpoint, log and marker each time when the platform takes the machine."""
NOTICE_S = 4.5
"""RunPod kills 5 s after its signal: until then, the marker's own time kept back."""
ANNOUNCED_WRITE_S = 60.0
"""The same where the platform announces it two minutes before."""
LAST_CHECKPOINT_S = 30.0
"""The last checkpoint may hold up the marker of work whose time is up for so long."""
ERROR_BYTES_MAX = 64 << 10


def main(environ: Mapping[str, str]) -> int:
    """Run the machine's life and return the exit status; the machine has ended by then."""
    try:
        settings = read(environ)
        stores = take_stores(environ) if settings.provider == "aws" else None
    except SettingsError as error:
        _complain(f"lastcall wrapper: {error}; nothing was run")
        if environ.get("LASTCALL_PROVIDER") == "aws":
            power_off()
        if environ.get("LASTCALL_PROVIDER") == "runpod":
            end_pod(take_pod(environ))
        return EXIT_CONFIG
    clock = Clock()
    pod = take_pod(environ) if settings.provider == "runpod" else None
    machine = Machine(settings.machine, settings.machine_dir, settings.provider, settings.folder, pod)
    timer = Timer(clock, settings.soft_deadline, settings.hard_deadline, lambda: _end_now(machine, clock))
    timer.limit_span(settings.folder_wait_s + settings.nonce_settle_s + AFTER_DEADLINE_S)
    timer.start()
    if settings.provider == "runpod":
        with contextlib.suppress(OSError):
            hide()
    if settings.provider != "local":
        with contextlib.suppress(OSError):
            settings.machine_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.lock_fd is not None:
        with contextlib.suppress(OSError):
            os.set_inheritable(settings.lock_fd, False)  # the lock is the wrapper's: the work must not hold it
    signals = Signals()
    signals.install()
    life = Life(settings, clock, timer, signals, stores)
    try:
        become_reaper()
        life.run()
    except Exception as error:  # the machine must end whatever happened, and say so
        _complain(f"lastcall wrapper failed: {type(error).__name__}: {error}")
        kill_everything(machine.name, clock, ignore_exit)
        life.finish(Ended(reason=Reason.WRAPPER, note=f"the wrapper failed: {type(error).__name__}: {error}"))
    finally:
        ended = end_machine(machine, clock)
        timer.stop()
        signals.close()
    return 0 if ended else 1


def take_stores(environ: Mapping[str, str]) -> Stores:
    """Return what an instance reaches of AWS. Raises SettingsError naming the variable that is missing."""
    try:
        return stores_of(environ)
    except KeyError as missing:
        raise SettingsError(f"{missing.args[0]} is missing") from None


def _end_now(machine: Machine, clock: Clock) -> None:
    """The timer's way out: no marker, no questions."""
    end_machine(machine, clock)
    os._exit(0)


def _complain(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(text, file=sys.stderr, flush=True)


class Life:
    """One attempt on one machine."""

    def __init__(
        self, settings: Settings, clock: Clock, timer: Timer, signals: Signals, stores: Stores | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._signals = signals
        self._nonce = secrets.token_hex(NONCE_BYTES)
        self._stores = stores
        self._folder = self._open_folder()
        self._spool = Spool(settings.log_bytes_max)
        self._courier = Courier(settings, self._folder, self._nonce, clock, self._spool, signals.wake)
        self._carrier = Carrier(settings, self._folder, clock, lambda: self._courier.fenced, self._say)
        self._standing: Standing | None = None
        self._opening = Opening()
        self._peak_bytes = 0
        self._stored: list[dict[str, Any]] = []

    def _open_folder(self) -> Folder:
        if self._stores is None:
            return Folder(self._settings.folder, self._nonce)
        prefix = self._settings.folder.relative_to(self._settings.storage_root).as_posix()
        return ObjectFolder(self._settings.folder, self._nonce, self._stores.bucket, prefix, self._stores.log)

    def run(self) -> None:
        """Open, run what there is to run, leave the results and the marker."""
        self._opening = opening = open_attempt(
            self._folder, self._settings, self._nonce, self._clock, lambda: self._signals.noticed
        )
        if opening.spec is None:
            self.finish(
                Ended(
                    reason=opening.reason,
                    marker_exists=opening.marker_exists,
                    held_elsewhere=opening.held_elsewhere,
                    memory=Memory.PROVEN if opening.memory_was_full else Memory.NONE,
                    note=opening.detail,
                )
            )
            return
        self._timer.limit_span(self._settings.max_runtime_s + AFTER_DEADLINE_S)
        self._courier.read_control()
        self._courier.start()
        ended = self._run_steps(opening.spec)
        until = self._clock.boot() + self._write_limit_s(ended.reason)
        goes_on = ended.reason in (Reason.INTERRUPTED, Reason.DEADLINE)
        self._carrier.close(once_more=goes_on)
        self._courier.vitals = {**self._courier.vitals, "stage": "ending"}
        ended = self._bring_results(opening.spec, ended, until)
        self._spool.close(self._clock.wall(), self._clock.boot())
        self._courier.finish(max(0.0, until - self._clock.boot()))
        self._carrier.wait(min(LAST_CHECKPOINT_S, until - self._clock.boot()) if goes_on else 0.0)
        self.finish(ended)
        if ended.reason is None and ended.exit_code == 0:
            self._carrier.discard()

    def _run_steps(self, spec: Spec) -> Ended:
        if self._stores is not None:
            notices = NoticeWatch(
                self._stores.metadata, self._signals.notice, self._say, self._settings.notice_interval_s
            )
            notices.start()
            fetched = self._fetch(self._stores, spec)
            if fetched is not None:
                return fetched
            spec = spec._replace(
                prepare=placed(spec.prepare, self._settings.storage_root) if spec.prepare else None,
                work=placed(spec.work, self._settings.storage_root),
            )
        try:
            scratch.prepare(self._settings, spec)
        except scratch.InputMissing as error:
            return Ended(reason=Reason.FOLDER, note=str(error))
        except OSError as error:
            full = artifacts.is_full(error)
            return Ended(exit_code=None, disk_full=full, preparing=True, note=f"scratch directory: {error.strerror}")
        self._resume(spec)
        grace_s = self._signals.grace_s
        standing = Standing(self._settings, self._clock, self._courier, self._timer, grace_s)
        self._standing = standing
        gpu = GpuProbe(self._settings.heartbeat_interval_s, self._settings.path)
        tools = Tools(self._settings, self._clock, self._signals, self._spool, self._courier, standing, gpu)
        if spec.prepare is not None:
            watch = Watch(tools, "preparing", memory.limit_bytes(self._settings.memory_limit_bytes))
            end = watch.run(spec.prepare, scratch.preparing_environment(self._settings, spec.prepare))
            if end.reason is not None or end.exit_code != 0:
                return self._as_ended(end, watch, preparing=True)
        watch = Watch(tools, "running", memory.limit_bytes(self._settings.memory_limit_bytes))
        return self._as_ended(watch.run(spec.work, scratch.environment(self._settings, spec.work)), watch)

    def _resume(self, spec: Spec) -> None:
        """Bring what an earlier attempt kept, and keep what this one will."""
        root, stores = self._settings.storage_root, self._stores
        chunks = resume.disk_chunks(root) if stores is None else resume.object_chunks(stores.bucket)
        until = self._clock.boot() + self._settings.folder_wait_s
        patience = resume.Patience(self._clock, until, self._is_stopped)
        said = resume.bring(spec.resume, scratch.checkpoint_file(self._settings), chunks, patience)
        if said:
            self._say(said)
        self._carrier.start()

    def _say(self, text: str) -> None:
        self._spool.add("wrapper", text, self._clock.wall(), self._clock.boot())

    def _fetch(self, stores: Stores, spec: Spec) -> Ended | None:
        """Bring what the job reads to this machine's disk; return why not. A broken call is repeated for a while."""
        copies = Copies(stores.bucket, self._settings.storage_root, self._is_stopped)
        until = self._clock.boot() + self._settings.folder_wait_s
        while True:
            try:
                if self._settings.bundle:
                    copies.bring_bundle(self._settings.bundle)
                for key in spec.inputs.values():
                    copies.bring(key)
                return None
            except Stopped:
                return Ended(reason=Reason.INTERRUPTED if self._signals.noticed else Reason.CANCELLED)
            except (OSError, ValueError, KeyError, TypeError) as error:
                if self._clock.boot() >= until:
                    full = isinstance(error, OSError) and artifacts.is_full(error)
                    note = f"what the job reads could not be fetched: {type(error).__name__}: {error}"
                    return Ended(reason=None if full else Reason.FOLDER, disk_full=full, preparing=True, note=note)
            self._clock.sleep(RETRY_S)

    def _is_stopped(self) -> bool:
        control = self._courier.control
        return self._signals.noticed or self._courier.fenced or (control is not None and control.stop_requested)

    def _as_ended(self, end: StepEnd, watch: Watch, preparing: bool = False) -> Ended:
        self._peak_bytes = max(self._peak_bytes, watch.peak_bytes)
        code, detail = self._work_error()
        return Ended(
            exit_code=end.exit_code,
            signal=end.signal,
            memory=end.memory,
            disk_full=end.disk_full,
            marker_exists=self._courier.marker_exists,
            held_elsewhere=self._courier.held_elsewhere and end.reason is Reason.FENCED,
            reason=end.reason,
            error_code=code,
            error_detail=detail,
            preparing=preparing,
            note=end.note if end.exit_code != 0 else "",
        )

    def _work_error(self) -> tuple[str | None, str]:
        try:
            path = self._settings.scratch / scratch.OUT / artifacts.ERROR_FILE
            document = parse_object(read_regular(path, ERROR_BYTES_MAX))
        except (OSError, ValueError):
            return None, ""
        code, detail = document.get("code"), document.get("detail", "")
        return (code if is_error_code(code) else None), detail if isinstance(detail, str) else ""

    def _write_limit_s(self, reason: Reason | None) -> float:
        """How long results, log and marker are tried for: storage may be away for a while."""
        limit = self._settings.folder_wait_s
        if reason is Reason.INTERRUPTED:
            noticed_s = self._standing.noticed_s() if self._standing else NOTICE_S
            limit = max(NOTICE_WRITE_S, NOTICE_S - noticed_s) if self._signals.at_once else ANNOUNCED_WRITE_S
        return max(0.0, min(limit, self._timer.left_s() - END_RESERVE_S))

    def _bring_results(self, spec: Spec, ended: Ended, until: float) -> Ended:
        """Store what the work left. The platform's notice leaves no time for it; a fenced attempt has no right to."""
        if ended.marker_exists or ended.reason in (Reason.INTERRUPTED, Reason.FENCED):
            return ended
        keep = self._folder.keep if isinstance(self._folder, ObjectFolder) else None
        while True:
            try:
                collected = artifacts.collect(self._settings.scratch / scratch.OUT, self._settings.folder, keep=keep)
                break
            except OSError as error:
                if artifacts.is_full(error):
                    return self._without_results(ended, Artifacts.NO_SPACE, error)
                if self._clock.boot() >= until:
                    return self._without_results(ended, Artifacts.NOT_STORED, error)
            self._clock.sleep(RETRY_S)
        self._stored = collected.stored
        for text in collected.left_out:
            self._spool.add("wrapper", f"result left out: {text}", self._clock.wall(), self._clock.boot())
        missing = [name for name in spec.artifacts_required if name not in collected.names]
        if missing and ended.exit_code == 0:
            why = next((text for text in collected.left_out if f"artifacts/{text}".startswith(f"{missing[0]}:")), "")
            note = f"{missing[0]} is missing" + (f" ({why})" if why else "")
            return ended._replace(artifacts=Artifacts.MISSING, note=note)
        return ended

    def _without_results(self, ended: Ended, found: Artifacts, error: OSError) -> Ended:
        note = ended.note or f"the result could not be stored: {error.strerror}"
        return ended._replace(artifacts=found, note=note)

    def finish(self, ended: Ended) -> None:
        """Link the marker into place, unless there is one already."""
        verdict = outcome.judge(ended)
        if verdict is None:
            return
        marker = dump(self._marker(ended, verdict))
        until = self._clock.boot() + self._write_limit_s(ended.reason)
        if ended.reason is Reason.FOLDER and self._opening.spec is None:
            until = self._clock.boot()  # it was waited for long enough
        while True:
            try:
                self._folder.create(names.RESULT, marker)
                return
            except OSError as error:
                if artifacts.is_full(error):
                    scratch.remove(self._settings.scratch)  # on the same disk this makes the room a marker needs
                if self._clock.boot() >= until:
                    return
            self._clock.sleep(RETRY_S)

    def _marker(self, ended: Ended, verdict: outcome.Verdict) -> dict[str, Any]:
        started = self._opening.started_at
        return {
            "schema": "result/v1",
            "attempt": self._settings.attempt,
            "nonce": self._nonce,
            "outcome": verdict.outcome,
            "code": verdict.code,
            "detail": verdict.detail,
            "exit_code": ended.exit_code,
            "signal": ended.signal,
            "started_at": None if started is None else instant(started),
            "ended_at": instant(self._clock.wall()),
            "max_rss_bytes": self._peak_bytes or None,
            "log_files": self._courier.log_files,
            "log_bytes": self._courier.log_bytes,
            "artifacts": self._stored,
        }
