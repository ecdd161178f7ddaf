"""Pods as real process trees on this computer: nothing of a checkout or a virtual environment reaches them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.emulators.common import process_scan
from tests.emulators.runpod.runner import PodBroken, PodSpec, Printed

PODS, VOLUMES, DISKS = "pods", "volumes", "disks"
"""Folders of the emulator's own."""
CONSOLE_BYTES_MAX = 8 << 20
LINES_MAX = 5000
"""Per call."""
LINE_CHARS_MAX = 1 << 20
KILL_LOOKS_MAX = 200
KILL_PAUSE_S = 0.005
TERM_DELAY_S = 0.3
"""A pod that ends itself still reads the answer: the host hears of it a moment later."""
NOT_FOUND_CODE = 127
PATH = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin"
"""The base interpreter's folder, never a virtual environment's."""


@dataclass
class _Container:
    spec: PodSpec
    folder: Path
    process: subprocess.Popen[bytes] | None
    code: int | None = None
    term_at: float | None = None
    kill_at: float | None = None
    gone: bool = False
    """Killed whole, and reaped."""
    sessions: list[int] = field(default_factory=list)
    offset: int = 0
    partial: str = ""


class ProcessRunner:
    """Runs what the create call says, each pod in a folder of its own under ``root``; a PodRunner."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._containers: dict[str, _Container] = {}
        self._forgotten: list[str] = []
        for name in (PODS, VOLUMES, DISKS):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def start(self, pod: PodSpec, now: float) -> None:
        """Start the first process. Errors: PodBroken for a mount outside the emulator's folder."""
        earlier = self._containers.get(pod.id)
        if earlier is not None and not earlier.gone:
            self._finish(earlier)
        folder = self.root / PODS / pod.id
        home, work = folder / "home", folder / "work"
        for one in (home, work):
            shutil.rmtree(one, ignore_errors=True)
            one.mkdir(parents=True)
        self._mount(pod)
        container = _Container(pod, folder, None)
        if earlier is not None:
            container.offset, container.partial = earlier.offset, earlier.partial
        self._containers[pod.id] = container
        environment = {"PATH": PATH, "HOME": str(home), "LANG": "C.UTF-8", "PWD": str(work), **pod.env}
        with (folder / "console").open("ab") as console:
            try:
                container.process = subprocess.Popen(
                    pod.command,
                    env=environment,
                    cwd=work,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                console.write(f"exec {pod.command[0]}: {error.strerror}\n".encode())
                container.code = NOT_FOUND_CODE
                return
        container.sessions.append(container.process.pid)

    def advance(self, now: float) -> Sequence[str]:
        """Finish kills whose grace is over; return the pods whose first process has ended."""
        ended = []
        for pod_id, container in list(self._containers.items()):
            if container.gone:
                continue
            self._reap(container)
            _bound(container)
            if container.kill_at is None:
                if container.code is not None:
                    ended.append(pod_id)
                continue
            if container.term_at is not None and container.term_at <= now:
                container.term_at = None
                process_scan.send(self._members(container), signal.SIGTERM)
            if container.kill_at <= now or (container.code is not None and not self._members(container)):
                self._finish(container)
        self._clean()
        return ended

    def poll(self, pod_id: str, now: float) -> int | None:
        """Return the first process's exit code; 128 + n for signal n."""
        container = self._containers.get(pod_id)
        if container is None:
            return None
        self._reap(container)
        return container.code

    def kill(self, pod_id: str, grace_s: float, now: float) -> None:
        """SIGTERM to every process of the pod, SIGKILL after the grace; without one, SIGKILL at once."""
        container = self._containers.get(pod_id)
        if container is None or container.gone:
            return
        if grace_s <= 0:
            self._finish(container)
        elif container.kill_at is None:
            container.term_at = now + TERM_DELAY_S
            container.kill_at = container.term_at + grace_s

    def forget(self, pod_id: str, now: float) -> None:
        """Remove the pod's folders as soon as its last process has ended."""
        self._forgotten.append(pod_id)
        self._clean()

    def lines(self, pod_id: str) -> Sequence[Printed]:
        """Return whole lines printed since the last call."""
        container = self._containers.get(pod_id)
        if container is None:
            return ()
        try:
            with (container.folder / "console").open("rb+") as console:
                console.seek(container.offset)
                text = console.read(CONSOLE_BYTES_MAX)
                container.offset += len(text)
                if container.offset >= CONSOLE_BYTES_MAX:
                    console.truncate(0)
                    container.offset = 0
        except OSError:
            return ()
        whole = (container.partial + text.decode("utf-8", "replace")).split("\n")
        container.partial = whole.pop()[:LINE_CHARS_MAX]
        return [Printed(None, line[:LINE_CHARS_MAX]) for line in whole[-LINES_MAX:]]

    def next_due(self) -> float | None:
        """Return ``None``: processes end when they end."""
        return None

    def close(self) -> None:
        """Kill every pod."""
        for container in self._containers.values():
            if not container.gone:
                self._finish(container)
        self._clean()

    def _reap(self, container: _Container) -> None:
        if container.process is not None and container.code is None:
            code = container.process.poll()
            if code is not None:
                container.code = code if code >= 0 else 128 - code

    def _members(self, container: _Container) -> list[int]:
        return process_scan.members(f"RUNPOD_POD_ID={container.spec.id}", self.root, container.sessions)

    def _finish(self, container: _Container) -> None:
        """Kill all of it, look again until nothing is left, and reap. Raises RuntimeError if something stays."""
        for _ in range(KILL_LOOKS_MAX):
            left = self._members(container)
            if not left:
                break
            process_scan.send(left, signal.SIGKILL)
            time.sleep(KILL_PAUSE_S)
        else:
            raise RuntimeError(f"processes of pod {container.spec.id} do not end: {self._members(container)}")
        if container.process is not None:
            container.process.wait(KILL_LOOKS_MAX * KILL_PAUSE_S)
        self._reap(container)
        container.gone = True
        self._unmount(container.spec)

    def _clean(self) -> None:
        for pod_id in list(self._forgotten):
            container = self._containers.get(pod_id)
            if container is not None and not container.gone:
                continue
            self._forgotten.remove(pod_id)
            self._containers.pop(pod_id, None)
            shutil.rmtree(self.root / PODS / pod_id, ignore_errors=True)
            shutil.rmtree(self.root / DISKS / pod_id, ignore_errors=True)

    def _mount(self, pod: PodSpec) -> None:
        """Let the volume appear at the mount path, which must lie in the emulator's own folder."""
        if pod.mount_path is None:
            return
        target = self.root / DISKS / pod.id if pod.own_disk else self.root / VOLUMES / str(pod.volume_id)
        target.mkdir(parents=True, exist_ok=True)
        link = self._link(pod.mount_path)
        if link.is_symlink():
            if link.readlink() == target:
                return
            if self._users(pod.mount_path, but=pod.id):
                raise PodBroken(f"mount path {pod.mount_path} is in use")
            link.unlink()
        try:
            if link.exists():
                link.rmdir()
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target, target_is_directory=True)
        except OSError as error:
            raise PodBroken(f"mount path {pod.mount_path}: {error.strerror}") from error

    def _link(self, mount_path: str) -> Path:
        path = Path(os.path.normpath(mount_path))
        parent = path.parent.resolve() if path.is_absolute() else None
        if parent is None or (parent != self.root and self.root not in parent.parents):
            raise PodBroken(f"mount path {mount_path} lies outside the emulator's folder")
        link = parent / path.name
        first = link.relative_to(self.root).parts[:1]
        if not first or first[0] in (PODS, VOLUMES, DISKS):
            raise PodBroken(f"mount path {mount_path} is the emulator's own")
        return link

    def _users(self, mount_path: str, but: str) -> list[str]:
        return [
            pod_id
            for pod_id, one in self._containers.items()
            if pod_id != but and not one.gone and one.spec.mount_path == mount_path
        ]

    def _unmount(self, pod: PodSpec) -> None:
        if pod.mount_path is None or self._users(pod.mount_path, but=pod.id):
            return
        try:
            link = self._link(pod.mount_path)
        except PodBroken:
            return
        if link.is_symlink():
            link.unlink()


def _bound(container: _Container) -> None:
    """Drop what nobody read of a console that has grown past its bound."""
    console = container.folder / "console"
    try:
        if console.stat().st_size > 2 * CONSOLE_BYTES_MAX:
            os.truncate(console, 0)
            container.offset = 0
    except OSError:
        return
