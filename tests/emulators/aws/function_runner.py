"""One call of a function: its zip unpacked into a folder of its own, its handler run in a process, held to its limits.

Every call is a cold one: nothing is kept between calls. Facts: AWS Lambda Developer Guide, "Lambda quotas", "Python
handler", "Context object", "Environment variables", "Troubleshoot invocation issues".
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.emulators.aws.processes import PYTHON

LOOK_S = 0.005
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
OUTPUT_BYTES_MAX = 1 << 20
ANSWER_BYTES_MAX = 6_291_556
"""Of a call that waits."""
BOOT = """
import importlib, json, os, sys, time, traceback
asked = json.load(open(os.environ["_ASKED"]))
sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
began = time.monotonic()

class Context:
    function_version = "$LATEST"
    def __init__(self, told):
        self.__dict__.update(told)
    def get_remaining_time_in_millis(self):
        return max(0, int((asked["timeout_s"] - (time.monotonic() - began)) * 1000))

def failed(kind, message, lines):
    return {"failed": {"errorMessage": message, "errorType": kind, "stackTrace": lines}}

def answer():
    module, _, name = asked["handler"].rpartition(".")
    try:
        found = importlib.import_module(module.replace("/", "."))
    except Exception as error:
        return failed("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}", [])
    handler = getattr(found, name, None)
    if handler is None:
        return failed("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'", [])
    try:
        value = handler(asked["event"], Context(asked["context"]))
    except Exception as error:
        return failed(type(error).__name__, str(error), traceback.format_tb(error.__traceback__))
    try:
        return {"value": json.dumps(value)}
    except (TypeError, ValueError) as error:
        return failed("Runtime.MarshalError", f"Unable to marshal response: {error}", [])

said = answer()
with open(os.environ["_ANSWER"], "w") as file:
    json.dump(said, file)
"""


@dataclass
class Function:
    """A function as it was made."""

    account: str
    region: str
    name: str
    code: bytes
    """The zip."""
    handler: str
    memory_mb: int
    timeout_s: float
    role: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"


class Ran(NamedTuple):
    """How a call went."""

    body: bytes
    is_error: bool
    output: bytes
    """What it printed."""
    seconds: float
    peak_mb: int


def run(function: Function, event: Any, request_id: str, endpoint_url: str = "") -> Ran:
    """Run one call to its end, its timeout or its last byte of memory; blocks."""
    with tempfile.TemporaryDirectory(prefix="lambda-") as folder:
        root = Path(folder)
        for name in ("task", "tmp"):
            (root / name).mkdir()
        try:
            with zipfile.ZipFile(_file(root / "code.zip", function.code)) as archive:
                archive.extractall(root / "task")
        except zipfile.BadZipFile:
            return _failed("Runtime.InvalidZip", "the zip cannot be read", request_id)
        _file(root / "asked.json", json.dumps(_asked(function, event, request_id)).encode())
        with (root / "output").open("wb") as output:
            began = time.monotonic()
            process = subprocess.Popen(
                [PYTHON, "-I", "-c", BOOT],
                cwd=root / "task",
                env=_environment(function, root, endpoint_url),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            stopped, peak_mb = _watch(process, function, began)
            seconds = time.monotonic() - began
        text = (root / "output").read_bytes()[:OUTPUT_BYTES_MAX]
        said = root / "answer.json"
        document = json.loads(said.read_bytes()) if said.exists() and not stopped else {}
        body, is_error = _body(document, stopped or _ended(process.returncode), request_id)
        return Ran(body, is_error, text, seconds, peak_mb)


def _watch(process: subprocess.Popen[bytes], function: Function, began: float) -> tuple[tuple[str, str] | None, int]:
    """Wait for the end; end it past its time or memory, and say which. Whatever it started goes with it."""
    stopped, peak = None, 0
    try:
        while process.poll() is None and stopped is None:
            peak = max(peak, _resident(process.pid))
            if time.monotonic() - began > function.timeout_s:
                stopped = ("Sandbox.Timedout", f"Task timed out after {function.timeout_s:.2f} seconds")
            elif peak > function.memory_mb << 20:
                stopped = ("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
            else:
                time.sleep(LOOK_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return stopped, peak >> 20


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _ended(code: int) -> tuple[str, str]:
    how = f"signal: {signal.Signals(-code).name.removeprefix('SIG').lower()}" if code < 0 else f"exit status {code}"
    return "Runtime.ExitError", f"Runtime exited with error: {how}"


def _body(document: Mapping[str, Any], otherwise: tuple[str, str], request_id: str) -> tuple[bytes, bool]:
    if "value" in document:
        body = str(document["value"]).encode()
        if len(body) <= ANSWER_BYTES_MAX:
            return body, False
        text = f"Response payload size exceeded maximum allowed payload size ({ANSWER_BYTES_MAX} bytes)."
        return json.dumps({"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"}).encode(), True
    if "failed" in document:
        return json.dumps({**document["failed"], "requestId": request_id}).encode(), True
    return _failed(*otherwise, request_id).body, True


def _failed(kind: str, text: str, request_id: str) -> Ran:
    said = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {text}"}
    return Ran(json.dumps(said).encode(), True, b"", 0.0, 0)


def _asked(function: Function, event: Any, request_id: str) -> dict[str, Any]:
    group = f"/aws/lambda/{function.name}"
    context = {
        "function_name": function.name,
        "invoked_function_arn": function.arn,
        "memory_limit_in_mb": str(function.memory_mb),
        "aws_request_id": request_id,
        "log_group_name": group,
        "log_stream_name": f"[$LATEST]{request_id.replace('-', '')}",
    }
    return {"event": event, "handler": function.handler, "timeout_s": function.timeout_s, "context": context}


def _environment(function: Function, root: Path, endpoint_url: str) -> dict[str, str]:
    """What a function finds, and nothing of this computer's."""
    given = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LAMBDA_TASK_ROOT": str(root / "task"),
        "HOME": str(root / "tmp"),
        "TMPDIR": str(root / "tmp"),
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "_ASKED": str(root / "asked.json"),
        "_ANSWER": str(root / "answer.json"),
    }
    return {**function.environment, **given, **({"AWS_ENDPOINT_URL": endpoint_url} if endpoint_url else {})}


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
