"""EC2 in virtual time with a small client that speaks through botocore's own codec, for tests of the core."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.runner import InstanceRunner
from tests.emulators.aws.settings import MAIN_KEY, MAIN_SECRET, Settings
from tests.emulators.aws.signature import STAMP, Signed, signature
from tests.emulators.aws.wire import Request, Response

T0 = 1_780_000_000.0
AMI = "ami-a1202300000000000"
REGION = "us-east-1"


class Refused(Exception):
    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(f"{code} {status}: {message}")
        self.code = code
        self.status = status
        self.message = message


class Lost(Exception):
    """No answer came."""


@cache
def model() -> Any:
    return ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")


def sign(
    request: Request,
    now: float,
    *,
    service: str = "ec2",
    region: str = REGION,
    access: str = MAIN_KEY,
    secret: str = MAIN_SECRET,
    token: str | None = None,
) -> Request:
    stamp = datetime.fromtimestamp(now, UTC).strftime(STAMP)
    headers = {**request.headers, "host": "aws", "x-amz-date": stamp}
    if token is not None:
        headers["x-amz-security-token"] = token
    bare = Request(request.method, request.path, request.query, headers, request.body)
    who = Signed(access, stamp[:8], region, service, tuple(sorted(headers)), "", float(int(now)), token)
    credential = f"{access}/{who.date}/{region}/{service}/aws4_request"
    signed = ";".join(who.headers)
    value = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature(bare, who, secret)}"
    )
    return Request(bare.method, bare.path, bare.query, {**headers, "authorization": value}, bare.body)


class Client:
    """Talks to a core; ``now`` moves only when told."""

    def __init__(self, settings: Settings | None = None, runner: InstanceRunner | None = None, seed: int = 7) -> None:
        self.now = T0
        self.core = Ec2Core(settings, runner, random.Random(seed), now=self.now)
        self.keys: dict[str, Any] = {}

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.core.tick(self.now)

    def fault(self, **faults: Any) -> None:
        """``create__lost="500"`` switches ``create.lost`` on."""
        self.core.faults.arm_json({name.replace("__", "."): value for name, value in faults.items()}, self.now)
        self.core.tick(self.now)

    def raw(self, pairs: Mapping[str, str], *, skew: float = 0.0, **keys: Any) -> Response:
        form = {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode({"Version": "2016-11-15", **pairs}).encode()
        request = sign(Request("POST", "/", "", form, body), self.now + skew, **{**self.keys, **keys})
        return self.core.handle(request, self.now)

    def call(self, action: str, skew: float = 0.0, as_: Mapping[str, Any] | None = None, **parameters: Any) -> Any:
        operation = model().operation_model(action)
        form = create_serializer("ec2").serialize_to_request(parameters, operation)["body"]
        answer = self.raw(form, skew=skew, **(as_ or {}))
        if answer.lost:
            raise Lost(answer.lost)
        parsed = create_parser("ec2").parse(
            {"body": answer.body, "headers": dict(answer.headers), "status_code": answer.status},
            operation.output_shape,
        )
        if answer.status >= 300:
            raise Refused(parsed["Error"]["Code"], answer.status, parsed["Error"]["Message"])
        return parsed

    def json_call(self, service: str, target: str, document: Any, **keys: Any) -> Response:
        headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.1"}
        request = Request("POST", "/", "", headers, json.dumps(document).encode())
        return self.core.handle(sign(request, self.now, service=service, **{**self.keys, **keys}), self.now)

    def order(self, name: str = "lc1", spot: bool = False, script: str = "", **more: Any) -> dict[str, Any]:
        tags = [{"Key": "lastcall:name", "Value": name}]
        kinds = ["instance", "volume", *(["spot-instances-request"] if spot else [])]
        ordered = {
            "ImageId": AMI,
            "InstanceType": "m5.large",
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": name,
            "InstanceInitiatedShutdownBehavior": "terminate",
            "UserData": base64.b64encode(script.encode()).decode(),
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in kinds],
            **more,
        }
        if spot:
            ordered["InstanceMarketOptions"] = {
                "MarketType": "spot",
                "SpotOptions": {"SpotInstanceType": "one-time", **more.get("spot_options", {})},
            }
        ordered.pop("spot_options", None)
        return ordered

    def run(self, name: str = "lc1", spot: bool = False, **more: Any) -> str:
        made = self.call("RunInstances", **self.order(name, spot, **more))
        return str(made["Instances"][0]["InstanceId"])

    def running(self, name: str = "lc1", spot: bool = False, **more: Any) -> str:
        instance_id = self.run(name, spot, **more)
        self.wait(60)
        return instance_id

    def instance(self, instance_id: str) -> Any:
        found = self.call("DescribeInstances", InstanceIds=[instance_id])["Reservations"]
        return found[0]["Instances"][0]

    def state(self, instance_id: str) -> str:
        return str(self.instance(instance_id)["State"]["Name"])

    def imds(self, instance_id: str, path: str, method: str = "GET", **headers: str) -> Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.core.imds(instance_id, Request(method, path, "", sent), self.now)
