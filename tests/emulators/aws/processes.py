"""Instances as real process trees on this computer. What they may do to it is written in ``machine/__init__.py``."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.emulators.aws.runner import InstanceSpec, Power, Printed
from tests.emulators.aws.settings import ContainerImage
from tests.emulators.common import process_scan

MACHINE = Path(__file__).parent / "machine"
PYTHON = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
"""The base interpreter, never a virtual environment's."""
HOST_PATH = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin"
POWER = ("shutdown", "poweroff", "reboot", "halt", "telinit", "init")
UNITS = ("systemctl", "systemd-run")
PACKAGES = ("apt-get", "apt", "dnf", "yum", "snap")
"""A machine installs nothing on the computer it runs on: these say that there is no network to them."""
PRIVATE = (
    "etc",
    "var",
    "opt",
    "root",
    "run",
    "srv",
    "home",
    "mnt",
    "tmp",
    "usr/local",
    "usr/lib/systemd",
    "lib/systemd",
)
"""Folders of a machine's own: user-data that names them gets those on the machine's disk."""
_PATH = re.compile(
    rf"(?<![\w$}}/.~:-])/(?:(?:usr/)?s?bin/(?P<command>{'|'.join((*POWER, *UNITS, *PACKAGES, 'docker'))})(?![\w.-])"
    rf"|(?P<folder>{'|'.join(PRIVATE)})(?=[/\s\"';:)&|>]|$))",
    re.MULTILINE,
)
"""Both in one pass: what one puts in is not looked at by the other."""
READ_ONLY = re.compile(r"/etc/(os-release|passwd|hosts|resolv\.conf|ssl)")
"""What user-data may read of the computer itself."""
MARK = "EC2_INSTANCE"
CONSOLE_BYTES_MAX = 8 << 20
LINES_MAX = 5000
LINE_CHARS_MAX = 1 << 20
KILL_LOOKS_MAX = 400
KILL_PAUSE_S = 0.005
USER_DATA_BYTES_MAX = 1 << 20
"""After unpacking."""


@dataclass
class _Machine:
    spec: InstanceSpec
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    kill_at: float | None = None
    gone: bool = True
    """Killed whole, and reaped."""
    halted: bool = False
    sessions: list[int] = field(default_factory=list)
    offset: int = 0
    partial: str = ""


class ProcessRunner:
    """Boots instances, each in a folder of its own under ``root``; an InstanceRunner."""

    def __init__(
        self,
        root: Path,
        containers: Mapping[str, ContainerImage] | None = None,
        minute_s: float = 60.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root.resolve()
        self.metadata_url: Callable[[str], str] = lambda instance_id: f"http://127.0.0.1:9/{instance_id}"
        """Instance → the base address of its metadata; a server sets it."""
        self.endpoint_url = "http://127.0.0.1:9"
        """Where every service of AWS is; a server sets it."""
        self._containers = containers
        self._minute_s = minute_s
        self._environment = dict(environment or {})
        self._machines: dict[str, _Machine] = {}
        self._forgotten: list[str] = []

    def disk(self, instance_id: str) -> Path:
        """Return the folder that is an instance's disk."""
        return self.root / "instances" / instance_id / "disk"

    def start(self, spec: InstanceSpec, now: float) -> None:
        """Boot a machine."""
        machine = self._machines.get(spec.id)
        if machine is None:
            machine = _Machine(spec, self.root / "instances" / spec.id)
            self._machines[spec.id] = machine
        elif not machine.gone:
            self._finish(machine)
        machine.spec, machine.kill_at, machine.halted, machine.gone = spec, None, False, False
        host, commands = machine.folder / "host", machine.folder / "commands"
        if spec.boot == 1:
            self._install(machine)
        (host / "power").unlink(missing_ok=True)
        shutil.rmtree(host / "units", ignore_errors=True)
        with (host / "console").open("ab") as console:
            machine.process = subprocess.Popen(
                [PYTHON, "-E", "-S", "-u", str(commands / "lib" / "alias.py"), "init", "init", str(spec.boot)],
                env=self._env(machine),
                cwd=self.disk(spec.id),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        machine.sessions = [machine.process.pid]

    def advance(self, now: float) -> Sequence[str]:
        """Finish kills whose grace is over; return the instances whose power was ended from inside."""
        ended = []
        for instance_id, machine in list(self._machines.items()):
            if machine.gone:
                continue
            if machine.kill_at is not None:
                if machine.kill_at <= now or not self._others(machine):
                    self._finish(machine)
                continue
            asked = self._asked(machine, now)
            if asked == "halt":
                machine.halted = True
                self._finish(machine)
            elif asked is not None:
                ended.append(instance_id)
        self._clean()
        return ended

    def poll(self, instance_id: str, now: float) -> Power | None:
        """Return what the machine did to its power; after ``halt`` it stays on, and does nothing."""
        machine = self._machines.get(instance_id)
        asked = None if machine is None or machine.gone else self._asked(machine, now)
        if asked == "poweroff":
            return "poweroff"
        return "reboot" if asked == "reboot" else None

    def kill(self, instance_id: str, grace_s: float, now: float) -> None:
        """SIGTERM to every process of the machine, SIGKILL after the grace; without one, SIGKILL at once."""
        machine = self._machines.get(instance_id)
        if machine is None or machine.gone:
            return
        if grace_s <= 0:
            self._finish(machine)
        elif machine.kill_at is None:
            machine.kill_at = now + grace_s
            process_scan.send(self._others(machine), signal.SIGTERM)

    def forget(self, instance_id: str, now: float) -> None:
        """Remove the machine's folder as soon as its last process has ended."""
        self._forgotten.append(instance_id)
        self._clean()

    def lines(self, instance_id: str) -> Sequence[Printed]:
        """Return whole lines printed since the last call."""
        machine = self._machines.get(instance_id)
        if machine is None:
            return ()
        try:
            with (machine.folder / "host" / "console").open("rb") as console:
                console.seek(machine.offset)
                text = console.read(CONSOLE_BYTES_MAX)
        except OSError:
            return ()
        machine.offset += len(text)
        whole = (machine.partial + text.decode("utf-8", "replace")).split("\n")
        machine.partial = whole.pop()[:LINE_CHARS_MAX]
        return [Printed(None, line[:LINE_CHARS_MAX]) for line in whole[-LINES_MAX:]]

    def next_due(self) -> float | None:
        """Return ``None``: machines end when they end."""
        return None

    def close(self) -> None:
        """Kill every machine."""
        for machine in self._machines.values():
            if not machine.gone:
                self._finish(machine)
        self._clean()

    # Making a machine.

    def _install(self, machine: _Machine) -> None:
        disk, commands = self.disk(machine.spec.id), machine.folder / "commands"
        shutil.rmtree(machine.folder, ignore_errors=True)
        for name in (*PRIVATE, "root", "var/lib/cloud/instance/scripts", "var/log", "etc/systemd/system"):
            (disk / name).mkdir(parents=True, exist_ok=True)
        (machine.folder / "host").mkdir()
        lib = commands / "lib"
        package = lib / "tests/emulators/aws/machine"
        package.mkdir(parents=True)
        for source in sorted(MACHINE.glob("*.py")):
            shutil.copyfile(source, (lib if source.name == "alias.py" else package) / source.name)
        for names, module in ((POWER, "power"), (UNITS, "units"), (PACKAGES, "packages"), (("docker",), "docker")):
            for name in names:
                self._command(commands / name, module)
        if self._containers is not None:
            images = {
                name: {"command": one.command, "entrypoint": one.entrypoint, "env": dict(one.env)}
                for name, one in self._containers.items()
            }
            (machine.folder / "host" / "images.json").write_text(json.dumps(images), "utf-8")
        self._user_data(machine)

    @staticmethod
    def _command(path: Path, module: str) -> None:
        """Write one command that runs a module under its own name."""
        alias = path.parent / "lib" / "alias.py"
        path.write_text(f'#!/bin/sh\nexec "{PYTHON}" -E -S "{alias}" {module} {path.name} "$@"\n', "utf-8")
        path.chmod(0o755)

    def _user_data(self, machine: _Machine) -> None:
        """Lay the script where cloud-init would, its paths made private. What is no script is told on the console."""
        data = machine.spec.user_data
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)[:USER_DATA_BYTES_MAX]
        if not data:
            return
        console = machine.folder / "host" / "console"
        if not data.startswith(b"#!"):
            console.write_text("cloud-init: user-data is no script; nothing else is emulated\n", "utf-8")
            return
        script = self.disk(machine.spec.id) / "var/lib/cloud/instance/scripts/part-001"
        script.write_bytes(private(data, self.disk(machine.spec.id), machine.folder / "commands"))
        script.chmod(0o700)

    def _env(self, machine: _Machine) -> dict[str, str]:
        disk = self.disk(machine.spec.id)
        return {
            "PATH": f"{machine.folder / 'commands'}:{HOST_PATH}",
            "HOME": str(disk / "root"),
            "TMPDIR": str(disk / "tmp"),
            "LANG": "C.UTF-8",
            "USER": "root",
            **self._environment,
            MARK: machine.spec.id,
            "MACHINE_ROOT": str(disk),
            "EC2_HOST": str(machine.folder / "host"),
            "EC2_MINUTE_S": str(self._minute_s),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata_url(machine.spec.id),
            "AWS_ENDPOINT_URL": self.endpoint_url,
        }

    # Ending one.

    @staticmethod
    def _asked(machine: _Machine, now: float) -> str | None:
        try:
            document = json.loads((machine.folder / "host" / "power").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return str(document["what"]) if document["at"] <= now else None

    def _others(self, machine: _Machine) -> list[int]:
        """Return the living processes but the first, which holds all orphans and therefore ends last."""
        first = machine.process.pid if machine.process else 0
        mark = f"{MARK}={machine.spec.id}"
        return [pid for pid in process_scan.members(mark, self.root, machine.sessions) if pid != first]

    def _finish(self, machine: _Machine) -> None:
        """Kill all of it, look again until nothing is left, and reap. Raises RuntimeError if something stays."""
        for _ in range(KILL_LOOKS_MAX):
            left = self._others(machine)
            if not left:
                break
            process_scan.send(left, signal.SIGKILL)
            time.sleep(KILL_PAUSE_S)
        else:
            raise RuntimeError(f"processes of instance {machine.spec.id} do not end: {self._others(machine)}")
        if machine.process is not None:
            process_scan.send([machine.process.pid], signal.SIGKILL)
            machine.process.wait(KILL_LOOKS_MAX * KILL_PAUSE_S)
        machine.gone = True

    def _clean(self) -> None:
        for instance_id in list(self._forgotten):
            machine = self._machines.get(instance_id)
            if machine is not None and not machine.gone:
                continue
            self._forgotten.remove(instance_id)
            self._machines.pop(instance_id, None)
            shutil.rmtree(self.root / "instances" / instance_id, ignore_errors=True)


def private(script: bytes, disk: Path, commands: Path) -> bytes:
    """Return a script in which the machine's own folders and commands stand for the computer's."""
    text = script.decode("utf-8", "surrogateescape")
    first, newline, rest = text.partition("\n")

    def own(found: re.Match[str]) -> str:
        if found["command"]:
            return str(commands / found["command"])
        return found[0] if READ_ONLY.match(rest, found.start()) else f"{disk}/{found['folder']}"

    return os.fsencode(first + newline + _PATH.sub(own, rest))
