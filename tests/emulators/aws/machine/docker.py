"""``docker``: an image is what the emulator's settings say it runs; a container is a plain process of the machine.

A mounted folder keeps the machine's path: where the container's path begins an argument or a value, it is changed.
The awslogs driver writes with the instance role's rights, as Docker's daemon does. A container has no power over its
host, and does not see Docker among its processes: commands for the host's power fail in it, and what waits for it here
has none of its variables.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

HOST = Path(os.environ["EC2_HOST"])
IMAGES = HOST / "images.json"
KEPT = (
    "EC2_INSTANCE",
    "EC2_HOST",
    "MACHINE_ROOT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "PATH",
    "LANG",
)
WITH_VALUE = (
    "--name",
    "--log-driver",
    "--gpus",
    "--network",
    "--shm-size",
    "--memory",
    "-m",
    "--cpus",
    "--user",
    "-u",
    "--entrypoint",
    "-w",
    "--workdir",
    "--restart",
    "--pull",
    "--hostname",
    "--ipc",
    "--stop-timeout",
    "--pid",
)
HERE = (*KEPT, "HOME", "TMPDIR", "USER", "EC2_MINUTE_S")
"""Variables of what waits for a container."""
ABSENT = ("shutdown", "poweroff", "reboot", "halt", "telinit", "init", "systemctl", "systemd-run", "docker")
"""Commands of the host that no container has."""
ALONE = "--alone"
"""How this command calls itself."""
Lists = dict[str, list[str]]
LISTS = ("-e", "--env", "--env-file", "-v", "--volume", "--mount", "--log-opt", "--ulimit", "--label")


def image(name: str) -> dict[str, Any] | None:
    """Return what an image runs, or ``None``."""
    known = json.loads(IMAGES.read_text("utf-8"))
    return next((one for pattern, one in known.items() if fnmatchcase(name, pattern)), None)


def parse(arguments: Sequence[str]) -> tuple[dict[str, str], Lists, list[str]]:
    """Return the options, the lists and the words of ``docker run``."""
    options: dict[str, str] = {}
    lists: Lists = {}
    words = list(arguments)
    while words and words[0].startswith("-"):
        key, found, value = words.pop(0).partition("=")
        if key in LISTS:
            lists.setdefault(key, []).append(value if found else words.pop(0))
        elif key in WITH_VALUE:
            options[key] = value if found else words.pop(0)
        else:
            options[key] = "true"
    return options, lists, words


def environment(known: dict[str, Any], lists: Lists) -> dict[str, str]:
    """Return what the container sees."""
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    env["HOME"] = os.environ["HOME"]
    env.update(known["env"])
    env["PATH"] = f"{absent()}:{env['PATH']}"
    for path in lists.get("--env-file", []):
        for row in Path(path).read_text("utf-8").splitlines():
            key, found, value = row.partition("=")
            if found and not row.startswith("#"):
                env[key] = value
    for pair in lists.get("-e", []) + lists.get("--env", []):
        key, found, value = pair.partition("=")
        if found or key in os.environ:
            env[key] = value if found else os.environ[key]
    return env


def absent() -> Path:
    """Return a folder with commands that stand before the computer's own, and only say that they are not there."""
    folder = HOST / "absent"
    folder.mkdir(exist_ok=True)
    for name in ABSENT:
        path = folder / name
        if not path.exists():
            path.write_text(f'#!/bin/sh\necho "{name}: not found" >&2\nexit 127\n', "utf-8")
            path.chmod(0o755)
    return folder


def mounts(lists: Lists) -> dict[str, str]:
    """Return the container's path → the machine's path."""
    found: dict[str, str] = {}
    for text in lists.get("-v", []) + lists.get("--volume", []):
        outside, inside = text.split(":")[:2]
        found[inside] = outside
    for text in lists.get("--mount", []):
        parts = pairs(text.split(","))
        found[parts.get("target") or parts["dst"]] = parts.get("source") or parts["src"]
    return found


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return what ``name=value`` texts say."""
    return {one.partition("=")[0]: one.partition("=")[2] for one in texts}


def run(arguments: Sequence[str]) -> int:
    """Act as ``docker run``; what is well asked for goes on as another process."""
    options, lists, words = parse(arguments)
    known = image(words[0]) if words else None
    if known is None:
        print(f"docker: Error response from daemon: manifest for {words[:1]} not found.", file=sys.stderr)
        return 125
    entry = [options["--entrypoint"]] if "--entrypoint" in options else known["entrypoint"]
    program = [*entry, *(words[1:] or known["command"])]
    env, folders = environment(known, lists), mounts(lists)
    for inside, outside in folders.items():
        Path(outside).mkdir(parents=True, exist_ok=True)
        program = [outside + one[len(inside) :] if one.startswith(inside) else one for one in program]
        env = {key: outside + one[len(inside) :] if one.startswith(inside) else one for key, one in env.items()}
    log = None
    if options.get("--log-driver") == "awslogs":
        log = pairs(lists.get("--log-opt", []))
        try:
            open_stream(log)
        except OSError as error:
            print(f"docker: Error response from daemon: failed to initialize logging driver: {error}", file=sys.stderr)
            return 125
    name = options.get("--name") or f"c{os.getpid()}"
    folder = options.get("-w") or options.get("--workdir") or os.environ["HOME"]
    detached = "-d" in options or "--detach" in options
    alone({"name": name, "program": program, "env": env, "folder": folders.get(folder, folder), "log": log}, detached)


def alone(plan: dict[str, Any], detached: bool) -> NoReturn:
    """Go on as a process without the container's variables."""
    path = HOST / f"container-{os.getpid()}"
    path.write_text(json.dumps(plan), "utf-8")
    if detached:
        if os.fork():
            print(hashlib.sha256(plan["name"].encode()).hexdigest(), flush=True)
            os._exit(0)
        os.setsid()
    env = {name: os.environ[name] for name in HERE if name in os.environ}
    alias = str(Path(__file__).parents[4] / "alias.py")
    os.execve(sys.executable, [sys.executable, "-E", "-S", alias, "docker", "docker", ALONE, str(path)], env)


def work(name: str, program: list[str], env: dict[str, str], folder: str, log: dict[str, str] | None) -> int:
    """Run a container's program to its end; return its exit code."""
    place = HOST / "containers"
    place.mkdir(exist_ok=True)
    pipe = subprocess.PIPE if log else None
    try:
        process = subprocess.Popen(
            program,
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=True,
        )
    except OSError as error:
        print(f"docker: Error response from daemon: exec {program[0]}: {error.strerror}", file=sys.stderr)
        return 127
    (place / name).write_text(str(process.pid), "utf-8")
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda number, _: os.killpg(process.pid, number))
    if process.stdout is not None and log is not None:
        for line in process.stdout:
            put(log, line.decode("utf-8", "replace").rstrip("\n"))
    code = process.wait()
    (place / name).unlink(missing_ok=True)
    return code if code >= 0 else 128 - code


def end(names: Sequence[str], number: signal.Signals) -> int:
    """Act as ``docker stop`` and ``docker kill``."""
    for name in names:
        path = HOST / "containers" / name
        if path.exists():
            os.killpg(int(path.read_text("utf-8")), number)
    return 0


# CloudWatch Logs with the instance role's rights.


def metadata(path: str, method: str = "GET", headers: dict[str, str] | None = None) -> str:
    """Read instance metadata."""
    base = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"].rstrip("/")
    asked = urllib.request.Request(base + path, headers=headers or {}, method=method)
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return str(answer.read().decode())


def call(log: dict[str, str], action: str, document: dict[str, Any]) -> Any:
    """Call CloudWatch Logs; raises OSError with AWS's words."""
    token = metadata("/latest/api/token", "PUT", {"x-aws-ec2-metadata-token-ttl-seconds": "60"})
    header = {"x-aws-ec2-metadata-token": token}
    role = metadata("/latest/meta-data/iam/security-credentials/", headers=header)
    keys = json.loads(metadata(f"/latest/meta-data/iam/security-credentials/{role}", headers=header))
    region = log.get("awslogs-region") or metadata("/latest/meta-data/placement/region", headers=header)
    url, body = os.environ["AWS_ENDPOINT_URL"], json.dumps(document).encode()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": url.partition("://")[2].partition("/")[0],
        "x-amz-date": stamp,
        "x-amz-security-token": keys["Token"],
        "x-amz-target": f"Logs_20140328.{action}",
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    text = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{stamp[:8]}/{region}/logs/aws4_request"
    key = f"AWS4{keys['SecretAccessKey']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signed = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(text.encode()).hexdigest()}"
    signature = hmac.new(key, signed.encode(), "sha256").hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys['AccessKeyId']}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    asked = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        raise OSError(error.read().decode("utf-8", "replace")) from None


def open_stream(log: dict[str, str]) -> None:
    """Make the stream; one that is there stays."""
    group, stream = log["awslogs-group"], log.setdefault("awslogs-stream", f"c{os.getpid()}")
    try:
        call(log, "CreateLogStream", {"logGroupName": group, "logStreamName": stream})
    except OSError as error:
        if "ResourceAlreadyExistsException" not in str(error):
            raise


def put(log: dict[str, str], line: str) -> None:
    """Write one line."""
    event = {"timestamp": int(time.time() * 1000), "message": line or " "}
    asked = {"logGroupName": log["awslogs-group"], "logStreamName": log["awslogs-stream"], "logEvents": [event]}
    try:
        call(log, "PutLogEvents", asked)
    except OSError as error:
        print(f"awslogs: {error}", file=sys.stderr)


def main(arguments: Sequence[str]) -> int:
    """Act as docker; where instances have none, as a shell does that finds none: never as the computer's own."""
    if not IMAGES.exists():
        print("docker: not found", file=sys.stderr)
        return 127
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("version", ())
    if verb == ALONE:
        plan = json.loads(Path(rest[0]).read_text("utf-8"))
        Path(rest[0]).unlink()
        return work(**plan)
    if verb == "run":
        return run(rest)
    if verb == "pull":
        names = [one for one in rest if not one.startswith("-")]
        if image(names[-1]) is None:
            print(f"Error response from daemon: manifest for {names[-1]} not found", file=sys.stderr)
            return 1
        print(f"Status: Downloaded newer image for {names[-1]}")
        return 0
    if verb == "login":
        if "--password-stdin" in rest:
            sys.stdin.read()
        print("Login Succeeded")
        return 0
    if verb in ("stop", "kill"):
        return end(
            [one for one in rest if not one.startswith("-")], signal.SIGTERM if verb == "stop" else signal.SIGKILL
        )
    if verb in ("info", "version", "ps", "rm", "--version"):
        print("Docker version 27.3.1, emulated")
        return 0
    print(f"docker: '{verb}' is not emulated", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
