"""Functions of the emulated Lambda: a zip really runs, with its event, and held to time, memory and sizes."""

from __future__ import annotations

import base64
import io
import json
import random
import zipfile
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import botocore.exceptions
import pytest

from tests.emulators.aws.functions import EVENT_BYTES_MAX, LATER_BYTES_MAX, TRIES, Functions
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.settings import ACCOUNT, READ_KEY, READ_SECRET
from tests.emulators.aws.wire import Request, Response
from tests.integration.aws_emulator.kit import Instances
from tests.support.patience import wait_until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/lastcall-function"
PROGRAM = """
import os, sys, time
print("hello from the function")

def answer(event, context):
    return {"asked": event, "me": context.function_name, "left": context.get_remaining_time_in_millis(),
            "kind": os.environ["KIND"], "host": sorted(set(os.environ) & {"USER", "VIRTUAL_ENV", "PYTHONPATH"})}

def fails(event, context):
    open(event["into"], "a").write("x")
    raise KeyError("no model")

def sleeps(event, context):
    time.sleep(60)

def eats(event, context):
    kept = [bytearray(os.urandom(1) * (1 << 20)) for _ in range(400)]
    time.sleep(60)

def leaves(event, context):
    os._exit(3)

def too_much(event, context):
    return "x" * (7 << 20)

def odd(event, context):
    return {1, 2}
"""


def zipped(files: Mapping[str, str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return made.getvalue()


class Bench:
    """Functions without a wire."""

    def __init__(self) -> None:
        self.billed: list[Decimal] = []
        self.functions = Functions(lambda account, name, usd, now: self.billed.append(usd), random.Random(0))

    def ask(self, method: str, path: str, body: bytes = b"{}", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, f"/2015-03-31/functions{path}", "", named, body)
        return self.functions.answer(request, ACCOUNT, "us-east-1", 0.0)

    def make(self, handler: str = "program.answer", name: str = "f", **more: Any) -> Response:
        told = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Role": ROLE,
            "Handler": handler,
            "Code": {"ZipFile": base64.b64encode(zipped({"program.py": PROGRAM})).decode()},
            "Environment": {"Variables": {"KIND": "test"}},
            **more,
        }
        return self.ask("POST", "", json.dumps(told).encode())

    def invoke(self, event: Any = None, name: str = "f", **headers: str) -> tuple[Any, Response]:
        body = json.dumps(event).encode()
        answer = self.ask("POST", f"/{name}/invocations", body, **headers)
        return (json.loads(answer.body) if answer.body else None), answer

    def refused(self, method: str, path: str, body: bytes = b"{}", **headers: str) -> str:
        with pytest.raises(Problem) as caught:
            self.ask(method, path, body, **headers)
        return caught.value.code


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_zip_runs_with_its_event_its_context_and_its_own_variables_only(bench: Bench) -> None:
    bench.make(MemorySize=256, Timeout=30)
    said, answer = bench.invoke({"rows": 3}, x_amz_log_type="Tail")
    assert (said["asked"], said["me"], said["kind"], said["host"]) == ({"rows": 3}, "f", "test", [])
    assert 0 < said["left"] <= 30_000
    log = base64.b64decode(answer.headers["x-amz-log-result"]).decode()
    assert "hello from the function" in log
    assert "Memory Size: 256 MB" in log
    assert "x-amz-function-error" not in answer.headers
    [usd] = bench.billed
    assert Decimal("0.0000002") < usd < Decimal("0.001")


@pytest.mark.parametrize(
    ("handler", "kind", "words"),
    [
        ("program.fails", "KeyError", "no model"),
        ("program.sleeps", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("program.eats", "Runtime.OutOfMemory", "signal: killed"),
        ("program.leaves", "Runtime.ExitError", "exit status 3"),
        ("program.too_much", "Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size"),
        ("program.odd", "Runtime.MarshalError", "Unable to marshal"),
        ("program.none", "Runtime.HandlerNotFound", "Handler 'none' missing"),
        ("other.answer", "Runtime.ImportModuleError", "Unable to import module 'other'"),
    ],
)
def test_what_goes_wrong_inside_is_an_answer_that_says_so(
    bench: Bench, handler: str, kind: str, words: str, tmp_path: Any
) -> None:
    bench.make(handler, Timeout=1 if handler == "program.sleeps" else 30)
    said, answer = bench.invoke({"into": str(tmp_path / "tried")})
    assert (answer.status, answer.headers["x-amz-function-error"], said["errorType"]) == (200, "Unhandled", kind), said
    assert words in said["errorMessage"]
    assert len(bench.billed) == 1


def test_what_is_called_for_later_is_run_again_twice_after_a_failure(bench: Bench, tmp_path: Any) -> None:
    bench.make("program.fails", Timeout=30)
    tried = tmp_path / "tried"
    said, answer = bench.invoke({"into": str(tried)}, x_amz_invocation_type="Event")
    assert (said, answer.status) == (None, 202)
    wait_until(lambda: len(bench.billed) == TRIES, "its tries")
    assert tried.read_text() == "x" * TRIES


def test_sizes_numbers_and_names_are_held_to_their_limits(bench: Bench) -> None:
    bench.make()
    large = b'"' + b"x" * LATER_BYTES_MAX + b'"'
    assert bench.refused("POST", "/f/invocations", large, x_amz_invocation_type="Event") == "RequestTooLargeException"
    assert bench.refused("POST", "/f/invocations", b"x" * (EVENT_BYTES_MAX + 1)) == "RequestTooLargeException"
    assert bench.refused("POST", "/f/invocations", b"{") == "InvalidRequestContentException"
    assert bench.refused("POST", "/g/invocations") == "ResourceNotFoundException"
    assert bench.refused("POST", "/f/other") == "UnknownOperationException"
    bench.functions.at_once = 0
    assert bench.refused("POST", "/f/invocations") == "TooManyRequestsException"
    assert bench.ask("POST", "/f/invocations", x_amz_invocation_type="DryRun").status == 204
    wrong: tuple[dict[str, Any], ...] = (
        {"MemorySize": 64},
        {"Timeout": 901},
        {"Role": "arn:aws:iam::1:role/x"},
        {"Runtime": "nodejs22.x"},
        {"Code": {"ZipFile": "eA=="}},
        {"FunctionName": "no name"},
    )
    for told in wrong:
        with pytest.raises(Problem, match="InvalidParameterValueException"):
            bench.make(**{"name": "h", **told})
    with pytest.raises(Problem, match="ResourceConflictException"):
        bench.make()
    assert bench.billed == []


def test_code_is_replaced_and_a_function_goes(bench: Bench) -> None:
    bench.make()
    other = base64.b64encode(zipped({"program.py": "def answer(event, context): return 2"})).decode()
    assert bench.ask("PUT", "/f/code", json.dumps({"ZipFile": other}).encode()).status == 200
    assert bench.invoke()[0] == 2
    assert json.loads(bench.ask("GET", "/f").body)["Configuration"]["Handler"] == "program.answer"
    assert bench.ask("DELETE", "/f").status == 204
    assert bench.refused("GET", "/f") == "ResourceNotFoundException"


def test_a_real_client_makes_and_calls_one_and_rights_are_checked(whole: Instances) -> None:
    client = whole.client("lambda")
    code = zipped({"program.py": "def answer(event, context): return event['a'] + 1"})
    told = {"FunctionName": "wire", "Runtime": "python3.12", "Role": ROLE, "Handler": "program.answer"}
    assert client.create_function(**told, Code={"ZipFile": code})["State"] == "Active"
    answer = client.invoke(FunctionName="wire", Payload=b'{"a": 1}')
    assert (answer["StatusCode"], answer["Payload"].read()) == (200, b"2")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.invoke(FunctionName="none")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        whole.client("lambda", READ_KEY, READ_SECRET).invoke(FunctionName="wire")
    assert caught.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    assert any(line["kind"] == "function" for line in whole.emulator.control()["bills"])
    client.delete_function(FunctionName="wire")
