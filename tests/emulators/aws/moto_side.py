"""The services that moto plays: S3, IAM, CloudWatch Logs, KMS, the rest of STS and Systems Manager, Cost Explorer.

One process has one of it: moto keeps its state in modules.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import CreateAccessKeyFailure, IAMPolicy, PermissionResult, create_access_key
from moto.iam.models import get_account_id_from, iam_backends
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeBucket, s3_backends
from moto.sts.models import sts_backends
from werkzeug.test import run_wsgi_app

from tests.emulators.aws.auth import Identity, RoleCredentials
from tests.emulators.aws.core import Bucket, Ec2Core
from tests.emulators.aws.rights import place_of, tags_of
from tests.emulators.aws.settings import Settings
from tests.emulators.aws.signature import signed
from tests.emulators.aws.state import Instance
from tests.emulators.aws.wire import Request, Response

PARTITION = "aws"
REGION = "us-east-1"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "server", "date")


_app_of = cache(create_backend_app)
"""The application of a service: what it knows is in moto's modules, so one serves all."""


def load() -> None:
    """Make the applications that are asked most."""
    for name in ("iam", "logs", "s3"):
        _app_of(name)


class _Services(DomainDispatcherApplication):
    """moto as it is, but for this: it would look through its folders and URLs for the service of every single call."""

    def __init__(self) -> None:
        super().__init__(_app_of)
        self._found: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._found:
            self._found[host] = super().get_backend_for_host(host)
        return self._found[host]


class MotoSide:
    """moto, with the users, roles and profiles of the settings in it."""

    def __init__(self, settings: Settings) -> None:
        if next(iter(settings.accounts)) != DEFAULT_ACCOUNT_ID:
            raise ValueError(f"with moto, the first account is {DEFAULT_ACCOUNT_ID}")
        os.environ.setdefault("MOTO_S3_CUSTOM_ENDPOINTS", "")
        moto_api_backend.reset()
        mock_random.seed()  # a copy of a process has the state of the first
        self._app = _Services()
        for account, one in settings.accounts.items():
            iam = iam_backends[account][PARTITION]
            for access, key in one.keys.items():
                if key.user not in iam.users:
                    iam.create_user(REGION, key.user)
                iam.put_user_policy(key.user, "own", _whole(key.policy))
                held = iam.create_access_key(key.user)
                iam.access_keys.pop(held.access_key_id, None)
                held.access_key_id, held.secret_access_key = access, key.secret
                iam.access_keys[access] = held
            for profile, role in one.profiles.items():
                if role not in iam.roles and not any(r.name == role for r in iam.roles.values()):
                    iam.create_role(role, TRUST, "/", None, "", [], None)
                    iam.put_role_policy(role, "own", _whole(one.role_policies.get(role)))
                iam.create_instance_profile(profile, "/", [role])
        # The front judges rights and bucket policies (``rights``): moto takes every condition as met.
        ActionAuthenticatorMixin.request_count = 0
        from moto import settings as moto_settings  # read at every call, so that it can be set here

        moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
        FakeBucket.get_permission = lambda self, action, resource: PermissionResult.NEUTRAL  # type: ignore[method-assign]

    def handle(self, request: Request) -> Response:
        """Answer one request; blocks, so it runs in a thread."""
        body, headers, status = b"", {}, "500"
        chunks, status, found = run_wsgi_app(self._app, _environ(request), buffered=True)
        body = b"".join(chunks)
        headers = {name.lower(): value for name, value in found if name.lower() not in HOP_BY_HOP}
        if request.method == "HEAD" and "Content-Length" in found:
            headers["content-length"] = found["Content-Length"]
        bucket, key = place_of(request)
        if request.method == "PUT" and bucket and not key and status.startswith("200"):
            self._tag(bucket, tags_of(request.body))
        return Response(int(status.split()[0]), headers, body)

    @staticmethod
    def _tag(name: str, tags: Mapping[str, str]) -> None:
        """Give a bucket the tags of its create, which moto passes over."""
        for account in list(s3_backends):
            backend = s3_backends[account][PARTITION]
            if (
                tags
                and name in backend.buckets
                and not backend.tagger.list_tags_for_resource(backend.buckets[name].arn)["Tags"]
            ):
                backend.put_bucket_tagging(name, dict(tags))

    def handle_behind(self, core: Ec2Core, request: Request, now: float) -> Response:
        """Answer what the core does not answer itself, behind its front; blocks."""
        call = core.name(request)
        blocked = core.front(request, call, call.partition(".")[0], signed(request), now)
        return blocked if blocked is not None else core.leaving(call, "", self.handle(request), "", now)

    def serve(self, core: Ec2Core) -> None:
        """Let a core know of this IAM and these buckets."""
        core.keys.other = self.find
        core.keys.minted = self.minted
        core.keys.role_policies = self.role_policies
        core.launches.other_profile = self.profile_role
        core.bucket = self.bucket

    # What the core asks of IAM and S3.

    @staticmethod
    def bucket(name: str) -> Bucket | None:
        """Return what the front must know of a bucket."""
        for account in list(s3_backends):
            found = s3_backends[account][PARTITION].buckets.get(name)
            if found is not None:
                policy = json.loads(found.policy) if found.policy else None
                return Bucket(account, found.region_name, policy)
        return None

    def find(self, access: str) -> Identity | None:
        """Return the holder of a key that IAM or STS made."""
        account = get_account_id_from(access)
        for one in sts_backends[account][PARTITION].assumed_roles:
            if one.access_key_id == access:
                return self._identity(account, access, {"X-Amz-Security-Token": one.session_token})
        return self._identity(account, access, {})

    def role_policies(self, account: str, role: str) -> Sequence[Mapping[str, Any]]:
        """Return the policies of a role."""
        iam = iam_backends[account][PARTITION]
        inline = [iam.get_role_policy(role, name)[1] for name in iam.list_role_policies(role)]
        attached = iam.list_attached_role_policies(role)[0]
        return [IAMPolicy(one)._policy_json for one in (*inline, *attached)]

    def profile_role(self, account: str, profile: str) -> str | None:
        """Return the role of an instance profile."""
        found = iam_backends[account][PARTITION].instance_profiles
        one = next((p for p in found.values() if p.name == profile), None)
        return one.roles[0].name if one is not None and one.roles else None

    def minted(self, instance: Instance, credentials: RoleCredentials) -> None:
        """Let moto know credentials that instance metadata gives out."""
        arn = f"arn:aws:iam::{instance.account}:role/{instance.order.role}"
        backend = sts_backends[instance.account][PARTITION]
        assumed = backend.assume_role(instance.region, instance.id, arn, "", 21_600, "")
        iam = iam_backends[instance.account][PARTITION]
        iam.access_keys[credentials.access] = iam.access_keys.pop(assumed.access_key_id, assumed.access_key)
        assumed.access_key_id, assumed.secret_access_key = credentials.access, credentials.secret
        assumed.session_token = credentials.token

    @staticmethod
    def _identity(account: str, access: str, headers: dict[str, str]) -> Identity | None:
        try:
            key = create_access_key(account, PARTITION, access, headers)
        except CreateAccessKeyFailure:
            return None
        return Identity(
            account,
            key.arn,
            access,
            key.create_credentials().secret_key or "",
            lambda: [IAMPolicy(one)._policy_json for one in key.collect_policies()],
            headers.get("X-Amz-Security-Token"),
        )


def _whole(policy: Mapping[str, Any] | None) -> str:
    statement = (policy or {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})["Statement"]
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def _environ(request: Request) -> dict[str, Any]:
    host = request.headers.get("host", "127.0.0.1")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(request.path, "latin-1"),
        "RAW_URI": request.path + (f"?{request.query}" if request.query else ""),
        "REQUEST_URI": request.path + (f"?{request.query}" if request.query else ""),
        "QUERY_STRING": request.query,
        "SERVER_NAME": host.partition(":")[0],
        "SERVER_PORT": host.partition(":")[2] or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding"):
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ
