"""``systemctl`` and ``systemd-run``: units in the machine's own folders, started as plain processes.

Emulated: services of every type (oneshot waits, others run on), timers by OnBootSec and OnActiveSec, enable with
``WantedBy``. Not emulated: Restart, dependencies, sandboxing; what asks for them runs without.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.emulators.aws.machine import power

Unit = dict[tuple[str, str], list[str]]

DISK = Path(os.environ["MACHINE_ROOT"])
FOLDERS = [DISK / "etc/systemd/system", DISK / "usr/lib/systemd/system", DISK / "lib/systemd/system"]
WANTS = FOLDERS[0] / "multi-user.target.wants"
PIDS = power.HOST / "units"
SPANS = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400}
SCALE = power.MINUTE_S / 60
SYSTEMCTL = [sys.executable, "-E", "-S", str(Path(__file__).parents[4] / "alias.py"), "units", "systemctl"]
OWN = ("docker.service",) if (power.HOST / "images.json").exists() else ()
"""Units that the image brings along."""


def find(name: str) -> Path | None:
    """Return a unit's file, or ``None``."""
    for folder in FOLDERS:
        if (folder / name).exists():
            return folder / name
    return None


def full(name: str) -> str:
    """Return a unit's whole name."""
    return name if re.search(r"\.(service|timer|target|socket|path|mount)$", name) else f"{name}.service"


def parse(path: Path) -> Unit:
    """Return section and key → values, in order; an empty value forgets those before it."""
    found: Unit = {}
    section = ""
    text = path.read_text("utf-8").replace("\\\n", " ")
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and line[0] not in "#;" and "=" in line:
            key, _, value = line.partition("=")
            values = found.setdefault((section, key.strip()), [])
            if value.strip():
                values.append(value.strip())
            else:
                values.clear()
    return found


def environment(unit: Unit) -> dict[str, str]:
    """Return what a service's programs see."""
    env = dict(os.environ)
    for line in unit.get(("Service", "EnvironmentFile"), []):
        path = Path(line.lstrip("-"))
        if path.exists():
            for row in path.read_text("utf-8").splitlines():
                key, found, value = row.partition("=")
                if found and not row.startswith("#"):
                    env[key.strip()] = value.strip().strip("\"'")
    for line in unit.get(("Service", "Environment"), []):
        for pair in shlex.split(line):
            key, _, value = pair.partition("=")
            env[key] = value
    return env


def command(line: str, env: dict[str, str]) -> tuple[list[str], bool]:
    """Return a command line's words, variables put in, and whether its failure is ignored."""
    ignored = False
    while line and line[0] in "-@+!:":
        ignored = ignored or line[0] == "-"
        line = line[1:]
    words = [env.get(word[1:], "") if re.fullmatch(r"\$\w+", word) else word for word in shlex.split(line)]
    words = [re.sub(r"\$\$|\$\{(\w+)\}", lambda m: env.get(m[1], "") if m[1] else "$", word) for word in words]
    return [word.replace("%%", "%") for word in words], ignored


def alive(name: str) -> int | None:
    """Return the pid of a unit's running process, or ``None``."""
    try:
        pid = int((PIDS / name).read_text("utf-8"))
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (OSError, ValueError):
        return None
    return None if stat.rpartition(")")[2].split()[0] in "ZX" else pid


def background(name: str, words: list[str], env: dict[str, str], folder: str | None = None) -> None:
    """Start a process of its own session."""
    PIDS.mkdir(exist_ok=True)
    with (power.HOST / "console").open("ab") as console:
        process = subprocess.Popen(
            words,
            env=env,
            cwd=folder or DISK,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )
    (PIDS / name).write_text(str(process.pid), "utf-8")


def start(name: str, wait: bool = True) -> int:
    """Start a unit; return the exit code of ``systemctl start``."""
    if name in ("poweroff.target", "reboot.target", "halt.target"):
        power.set_power(name.partition(".")[0], time.time())
        return 0
    if name in OWN:
        return 0
    path = find(name)
    if path is None:
        print(f"Failed to start {name}: Unit {name} not found.", file=sys.stderr)
        return 5
    unit = parse(path)
    if name.endswith(".timer"):
        return start_timer(name, unit)
    if alive(name):
        return 0
    env = environment(unit)
    folders = unit.get(("Service", "WorkingDirectory"))
    folder = folders[-1] if folders else None
    kind = (unit.get(("Service", "Type")) or ["simple"])[-1]
    before = unit.get(("Service", "ExecStartPre"), [])
    main = unit.get(("Service", "ExecStart"), [])
    if kind != "oneshot" and not before and main:
        background(name, command(main[-1], env)[0], env, folder)
        return 0
    if not wait:
        background(f"{name}.job", [*SYSTEMCTL, "start", name], dict(os.environ))
        return 0
    for line in [*before, *(main if kind == "oneshot" else [])]:
        words, ignored = command(line, env)
        with (power.HOST / "console").open("ab") as console:
            code = subprocess.run(words, env=env, cwd=folder or DISK, stdout=console, stderr=console, check=False)
        if code.returncode and not ignored:
            print(f"Job for {name} failed because the control process exited with error code.", file=sys.stderr)
            return 1
    if kind == "oneshot":
        PIDS.mkdir(exist_ok=True)
        if "yes" in unit.get(("Service", "RemainAfterExit"), []):
            (PIDS / name).write_text(str(os.getppid()), "utf-8")
    elif main:
        background(name, command(main[-1], env)[0], env, folder)
    return 0


def span(text: str) -> float:
    """Return the seconds of a time span as systemd writes it."""
    parts = re.findall(r"([\d.]+)\s*([a-z]*)", text)
    return sum(float(number) * SPANS.get(word or "s", SPANS.get(word.rstrip("s"), 1)) for number, word in parts)


def start_timer(name: str, unit: Unit) -> int:
    """Start a timer: its service runs once when the time has come."""
    times = unit.get(("Timer", "OnActiveSec"), []) + unit.get(("Timer", "OnBootSec"), [])
    target = (unit.get(("Timer", "Unit")) or [name.replace(".timer", ".service")])[-1]
    if times:
        later(name, span(times[0]), [*SYSTEMCTL, "start", target])
    return 0


def later(name: str, seconds: float, words: list[str]) -> None:
    """Run something after a while."""
    background(name, ["sh", "-c", 'sleep "$0"; exec "$@"', f"{seconds * SCALE:f}", *words], dict(os.environ))


def stop(name: str) -> int:
    """Stop a unit's process."""
    pid = alive(name)
    if pid is not None:
        try:
            os.killpg(pid, signal.SIGTERM)
        except ProcessLookupError:
            return 0
    (PIDS / name).unlink(missing_ok=True)
    return 0


def enable(name: str) -> int:
    """Let a unit start at every boot."""
    path = find(name)
    if path is None and name not in OWN:
        print(f"Failed to enable unit: Unit file {name} does not exist.", file=sys.stderr)
        return 1
    if path is not None and not parse(path).get(("Install", "WantedBy")):
        print("The unit files have no installation config (WantedBy=, …).", file=sys.stderr)
        return 0
    WANTS.mkdir(parents=True, exist_ok=True)
    link = WANTS / name
    if path is not None and not link.is_symlink():
        link.symlink_to(path)
    return 0


def boot() -> None:
    """Start what is enabled."""
    if WANTS.is_dir():
        for link in sorted(WANTS.iterdir()):
            start(link.name, wait=False)


def systemctl(arguments: list[str]) -> int:
    """Act as systemctl."""
    options = [one for one in arguments if one.startswith("-")]
    words = [one for one in arguments if not one.startswith("-")]
    if not words:
        return 0
    verb, names = words[0], [full(one) for one in words[1:]]
    if verb in ("poweroff", "reboot", "halt"):
        power.set_power(verb, time.time())
        return 0
    wait = "--no-block" not in options
    acts: dict[str, Callable[[str], int]] = {
        "start": lambda name: start(name, wait),
        "restart": lambda name: stop(name) or start(name, wait),
        "stop": stop,
        "enable": enable,
        "disable": disable,
        "is-active": is_active,
        "is-enabled": is_enabled,
        "status": is_active,
    }
    if verb not in acts:
        return 0
    code = 0
    for name in names:
        code = acts[verb](name) or code
        if "--now" in options and verb in ("enable", "disable") and not code:
            code = (start(name, wait) if verb == "enable" else stop(name)) or code
    return code


def disable(name: str) -> int:
    """Start a unit at no boot."""
    (WANTS / name).unlink(missing_ok=True)
    return 0


def is_active(name: str) -> int:
    """Tell whether a unit runs."""
    running = name in OWN or alive(name) is not None
    print("active" if running else "inactive")
    return 0 if running else 3


def is_enabled(name: str) -> int:
    """Tell whether a unit starts at boot."""
    enabled = name in OWN or (WANTS / name).is_symlink()
    print("enabled" if enabled else "disabled")
    return 0 if enabled else 1


def systemd_run(arguments: list[str]) -> int:
    """Act as systemd-run: now or after a while, in the background."""
    name, words = f"run-{os.getpid()}.service", list(arguments)
    after: float | None = None
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "--":
            break
        key, found, value = option.partition("=")
        if key in ("-p", "--property", "--unit", "-u", "--on-active", "--on-boot") and not found:
            value = words.pop(0)
        if key in ("--on-active", "--on-boot"):
            after = span(value)
        elif key in ("--unit", "-u"):
            name = full(value)
    if not words:
        return 1
    if after is None:
        background(name, words, dict(os.environ))
    else:
        later(name, after, words)
    print(f"Running {'timer' if after is not None else 'as unit'}: {name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    called = Path(sys.argv[0]).name
    sys.exit(systemd_run(sys.argv[1:]) if called == "systemd-run" else systemctl(sys.argv[1:]))
