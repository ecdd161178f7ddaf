"""Lambda, as far as functions from a zip go: made, changed, deleted, called at once or for later; calls really run.

No layers, versions, aliases, containers or networks. A call for later is run again twice after a failure.
"""

from __future__ import annotations

import base64
import io
import json
import random
import re
import threading
import zipfile
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import ceil
from typing import Any, Final, NamedTuple

from tests.emulators.aws.function_runner import Function, Ran, run
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.wire import Request, Response

ZIP_BYTES_MAX: Final = 50 << 20
UNZIPPED_BYTES_MAX: Final = 250 << 20
EVENT_BYTES_MAX: Final = 6_291_556
LATER_BYTES_MAX: Final = 1 << 20
TRIES: Final = 3
TAIL_BYTES: Final = 4096
GB_S_USD: Final = Decimal("0.0000166667")
CALL_USD: Final = Decimal("0.0000002")
"""x86 in us-east-1 ("AWS Lambda pricing")."""
JSON = {"content-type": "application/json"}
_PATH = re.compile(r"/2015-03-31/functions(?:/(?P<name>[A-Za-z0-9_-]{1,64})(?:/(?P<rest>code|invocations))?)?/?")
_OPERATIONS: Final = {
    ("POST", False, None): "CreateFunction",
    ("GET", True, None): "GetFunction",
    ("DELETE", True, None): "DeleteFunction",
    ("PUT", True, "code"): "UpdateFunctionCode",
    ("POST", True, "invocations"): "Invoke",
}
RIGHTS: Final = {"Invoke": "InvokeFunction"}


class Asked(NamedTuple):
    """Which call, and about which function."""

    operation: str
    name: str


def asked_of(request: Request) -> Asked:
    """Return what a request to Lambda is; an unknown one has no operation."""
    found = _PATH.fullmatch(request.path)
    if found is None:
        return Asked("", "")
    name = found["name"] or ""
    return Asked(_OPERATIONS.get((request.method, bool(name), found["rest"]), ""), name)


class Functions:
    """All functions of all accounts."""

    def __init__(self, bill: Callable[[str, str, Decimal, float], None], rng: random.Random) -> None:
        """``bill`` takes account, function, dollars and time of every call that ran."""
        self.at_once = 10
        """Calls that an account may have at a time; new accounts have so few."""
        self.endpoint_url = ""
        self._bill = bill
        self._rng = rng
        self._kept: dict[tuple[str, str, str], Function] = {}
        self._running = 0
        self._lock = threading.Lock()

    def answer(self, request: Request, account: str, region: str, now: float) -> Response:
        """Answer one call; blocks as long as it runs. Raises Problem."""
        asked = asked_of(request)
        if not asked.operation:
            raise Problem("UnknownOperationException", f"{request.method} {request.path} is not emulated", 404)
        if asked.operation == "CreateFunction":
            return self._create(_document(request), account, region)
        function = self._kept.get((account, region, asked.name))
        if function is None:
            arn = f"arn:aws:lambda:{region}:{account}:function:{asked.name}"
            raise Problem("ResourceNotFoundException", f"Function not found: {arn}", 404)
        if asked.operation == "Invoke":
            return self._invoke(request, function, now)
        if asked.operation == "DeleteFunction":
            del self._kept[account, region, asked.name]
            return Response(204, JSON, b"")
        if asked.operation == "UpdateFunctionCode":
            function.code = _code(_document(request))
        configuration = _configuration(function)
        got = {"Configuration": configuration} if asked.operation == "GetFunction" else configuration
        return Response(200, JSON, json.dumps(got).encode())

    def _create(self, told: Mapping[str, Any], account: str, region: str) -> Response:
        name, role = str(told.get("FunctionName", "")), str(told.get("Role", ""))
        if _PATH.fullmatch(f"/2015-03-31/functions/{name}") is None or not name:
            raise Problem("InvalidParameterValueException", f"FunctionName {name}")
        if not role.startswith(f"arn:aws:iam::{account}:role/"):
            raise Problem("InvalidParameterValueException", "The role defined for the function cannot be assumed")
        if not str(told.get("Runtime", "")).startswith("python3."):
            raise Problem("InvalidParameterValueException", "only Python is emulated")
        memory, timeout = told.get("MemorySize", 128), told.get("Timeout", 3)
        if not 128 <= memory <= 10_240 or not 1 <= timeout <= 900:
            raise Problem("InvalidParameterValueException", f"MemorySize {memory}, Timeout {timeout}")
        if (account, region, name) in self._kept:
            raise Problem("ResourceConflictException", f"Function already exist: {name}", 409)
        variables = (told.get("Environment") or {}).get("Variables") or {}
        made = Function(
            account, region, name, _code(told.get("Code") or {}), str(told.get("Handler", "")), memory, timeout, role
        )
        made.environment = variables
        self._kept[account, region, name] = made
        return Response(201, JSON, json.dumps(_configuration(made)).encode())

    def _invoke(self, request: Request, function: Function, now: float) -> Response:
        kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
        most = LATER_BYTES_MAX if kind == "Event" else EVENT_BYTES_MAX
        if len(request.body) > most:
            text = f"{len(request.body)} byte payload is too large for the {kind} invocation type (limit {most} bytes)"
            raise Problem("RequestTooLargeException", text, 413)
        try:
            event = json.loads(request.body or b"{}")
        except ValueError as error:
            text = f"Could not parse request body into json: {error}"
            raise Problem("InvalidRequestContentException", text) from None
        if kind == "DryRun":
            return Response(204, JSON, b"")
        if kind == "Event":
            threading.Thread(target=self._later, args=(function, event, now), daemon=True).start()
            return Response(202, JSON, b"")
        with self._lock:
            if self._running >= self.at_once:
                raise Problem("TooManyRequestsException", "Rate Exceeded.", 429)
        ran, request_id = self._run(function, event, now)
        headers = {**JSON, "x-amz-executed-version": "$LATEST"}
        if ran.is_error:
            headers["x-amz-function-error"] = "Unhandled"
        if request.headers.get("x-amz-log-type") == "Tail":
            headers["x-amz-log-result"] = base64.b64encode(_log(function, ran, request_id)[-TAIL_BYTES:]).decode()
        return Response(200, headers, ran.body)

    def _later(self, function: Function, event: Any, now: float) -> None:
        for _ in range(TRIES):
            if not self._run(function, event, now)[0].is_error:
                return

    def _run(self, function: Function, event: Any, now: float) -> tuple[Ran, str]:
        with self._lock:
            self._running += 1
            bits = f"{self._rng.getrandbits(128):032x}"
        request_id = f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"
        try:
            ran = run(function, event, request_id, self.endpoint_url)
        finally:
            with self._lock:
                self._running -= 1
        gb_s = Decimal(_billed_ms(ran)) / 1000 * function.memory_mb / 1024
        self._bill(function.account, function.name, gb_s * GB_S_USD + CALL_USD, now)
        return ran, request_id


def _billed_ms(ran: Ran) -> int:
    return max(1, ceil(ran.seconds * 1000))


def _log(function: Function, ran: Ran, request_id: str) -> bytes:
    end = (
        f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: {ran.seconds * 1000:.2f} ms\t"
        f"Billed Duration: {_billed_ms(ran)} ms\tMemory Size: {function.memory_mb} MB\t"
        f"Max Memory Used: {ran.peak_mb} MB\n"
    )
    return f"START RequestId: {request_id} Version: $LATEST\n".encode() + ran.output + end.encode()


def _configuration(function: Function) -> dict[str, Any]:
    return {
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Role": function.role,
        "Handler": function.handler,
        "MemorySize": function.memory_mb,
        "Timeout": function.timeout_s,
        "CodeSize": len(function.code),
        "Environment": {"Variables": dict(function.environment)},
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Version": "$LATEST",
    }


def _document(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.body or b"{}")
    except ValueError:
        raise Problem("InvalidRequestContentException", "the body is no JSON") from None
    return found if isinstance(found, dict) else {}


def _code(told: Mapping[str, Any]) -> bytes:
    data = base64.b64decode(str(told.get("ZipFile", "")))
    if len(data) > ZIP_BYTES_MAX:
        raise Problem("RequestTooLargeException", f"{len(data)} bytes; a zip may have {ZIP_BYTES_MAX}", 413)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            whole = sum(one.file_size for one in archive.infolist())
    except zipfile.BadZipFile:
        raise Problem("InvalidParameterValueException", "Could not unzip uploaded file") from None
    if whole > UNZIPPED_BYTES_MAX:
        raise Problem("InvalidParameterValueException", f"Unzipped size must be smaller than {UNZIPPED_BYTES_MAX}")
    return data
