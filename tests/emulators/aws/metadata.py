"""The instance metadata service, version 2: a token first; then who the instance is, its role, and what awaits it."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.emulators.aws.auth import Keys
from tests.emulators.aws.state import Instance, State
from tests.emulators.aws.wire import Request, Response
from tests.emulators.common.switches import SwitchBox

TOKEN_S_MAX = 21_600
TTL = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "x-aws-ec2-metadata-token"
TEXT = {"content-type": "text/plain"}
CALL = "imds"
Reader = Callable[[Instance, float], Any]


class Metadata:
    """Answers what runs in instances."""

    def __init__(self, keys: Keys, faults: SwitchBox, rng: random.Random) -> None:
        self._keys = keys
        self._faults = faults
        self._rng = rng
        self._tokens: dict[tuple[str, str], float] = {}

    def answer(self, instance: Instance | None, request: Request, now: float) -> Response:
        """Answer one call from within an instance; ``request.path`` begins with ``/latest``."""
        if instance is None or instance.state in (State.PENDING, State.TERMINATED, State.STOPPED):
            return Response(404, TEXT, b"", lost="reset")
        if self._faults.hit("metadata.off", CALL, now, instance.name):
            return Response(503, TEXT, b"", lost="reset")
        if request.path == "/latest/api/token":
            return self._token(instance, request, now)
        if request.method != "GET":
            return Response(405, TEXT, b"")
        token = request.headers.get(TOKEN)
        if token is None and not instance.order.tokens_required:
            return self._read(instance, request.path, now)
        if token is None or self._tokens.get((instance.id, token), 0.0) <= now:
            return Response(401, TEXT, b"")
        return self._read(instance, request.path, now)

    def _token(self, instance: Instance, request: Request, now: float) -> Response:
        if request.method != "PUT":
            return Response(405, TEXT, b"")
        if "x-forwarded-for" in request.headers:
            return Response(403, TEXT, b"")
        ttl = request.headers.get(TTL, "")
        if not ttl.isdecimal() or not 1 <= int(ttl) <= TOKEN_S_MAX:
            return Response(400, TEXT, b"")
        token = f"{self._rng.getrandbits(256):064x}"
        self._tokens[(instance.id, token)] = now + int(ttl)
        return Response(200, {**TEXT, TTL: ttl}, token.encode())

    def _read(self, instance: Instance, path: str, now: float) -> Response:
        leaves = self._leaves(instance, now)
        if path in leaves:
            value = leaves[path]
            return Response(200, TEXT, value if isinstance(value, bytes) else value.encode())
        folder = path.rstrip("/") + "/"
        below = [name.removeprefix(folder) for name in leaves if name.startswith(folder)]
        if not below:
            return Response(404, TEXT, b"")
        names = dict.fromkeys(name.partition("/")[0] + ("/" if "/" in name else "") for name in below)
        return Response(200, TEXT, "\n".join(names).encode())

    def _leaves(self, instance: Instance, now: float) -> dict[str, str | bytes]:
        order = instance.order
        leaves: dict[str, str | bytes] = {
            "instance-id": instance.id,
            "instance-type": order.type.name,
            "instance-life-cycle": "spot" if instance.spot else "on-demand",
            "ami-id": order.image_id,
            "local-ipv4": instance.private_ip,
            "placement/availability-zone": order.zone,
            "placement/region": instance.region,
            "security-groups": "\n".join(order.groups),
            "services/domain": "amazonaws.com",
            "services/partition": "aws",
        }
        credentials = self._keys.of_instance(instance, now)
        if credentials is not None and order.role is not None:
            leaves["iam/info"] = _json(
                {
                    "Code": "Success",
                    "LastUpdated": _instant(credentials.made_at),
                    "InstanceProfileArn": f"arn:aws:iam::{instance.account}:instance-profile/{order.profile}",
                    "InstanceProfileId": "AIPA0000000000000000",
                }
            )
            leaves[f"iam/security-credentials/{order.role}"] = _json(
                {
                    "Code": "Success",
                    "LastUpdated": _instant(credentials.made_at),
                    "Type": "AWS-HMAC",
                    "AccessKeyId": credentials.access,
                    "SecretAccessKey": credentials.secret,
                    "Token": credentials.token,
                    "Expiration": _instant(credentials.expires_at),
                }
            )
        if instance.notice_at is not None:
            leaves["spot/instance-action"] = _json({"action": "terminate", "time": _instant(instance.notice_at)})
            leaves["spot/termination-time"] = _instant(instance.notice_at)
        if instance.rebalance_at is not None:
            leaves["events/recommendations/rebalance"] = _json({"noticeTime": _instant(instance.rebalance_at)})
        found = {f"/latest/meta-data/{name}": value for name, value in leaves.items()}
        found["/latest/dynamic/instance-identity/document"] = self._identity(instance)
        found["/latest/dynamic/instance-identity/signature"] = base64.b64encode(instance.id.encode())
        if order.user_data:
            found["/latest/user-data"] = order.user_data
        return found

    @staticmethod
    def _identity(instance: Instance) -> str:
        return _json(
            {
                "accountId": instance.account,
                "architecture": "x86_64",
                "availabilityZone": instance.order.zone,
                "imageId": instance.order.image_id,
                "instanceId": instance.id,
                "instanceType": instance.order.type.name,
                "pendingTime": _instant(instance.launched_at),
                "privateIp": instance.private_ip,
                "region": instance.region,
                "version": "2017-09-30",
            }
        )


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2)


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
