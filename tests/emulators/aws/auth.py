"""Who calls, and what they may do."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.aws import policy
from tests.emulators.aws.catalogue import REGIONS
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.settings import EVERYTHING, Settings
from tests.emulators.aws.signature import Signed, check, signed
from tests.emulators.aws.state import Instance
from tests.emulators.aws.wire import Request
from tests.emulators.common.switches import SwitchBox

ROLE_CREDENTIALS_S = 6 * 3600.0
"""Credentials in instance metadata live so long; new ones appear five minutes before the end."""
RENEW_S = 300.0
QUERY_SERVICES = ("sts", "iam")


@dataclass(frozen=True)
class Identity:
    """One holder of credentials."""

    account: str
    arn: str
    user_id: str
    secret: str = field(repr=False)
    policies: Callable[[], Sequence[Mapping[str, Any]]]
    token: str | None = field(default=None, repr=False)
    expires_at: float | None = None


@dataclass(frozen=True)
class Caller:
    """Who a call is from, and for where."""

    identity: Identity
    account: str
    """The account it acts on; another one where credentials were swapped."""
    service: str
    region: str


@dataclass(frozen=True)
class RoleCredentials:
    """What instance metadata gives out."""

    access: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    made_at: float
    expires_at: float


Lookup = Callable[[str], Identity | None]
"""Finds the holder of an access key that these settings do not name."""


class Keys:
    """All credentials there are."""

    def __init__(self, settings: Settings, faults: SwitchBox, rng: random.Random, other: Lookup | None = None) -> None:
        self._settings = settings
        self._faults = faults
        self._rng = rng
        self.other = other
        self.role_policies: Callable[[str, str], Sequence[Mapping[str, Any]]] = self._role_policies
        """Account and role → its policies; IAM takes this over where it is there."""
        self.minted: Callable[[Instance, RoleCredentials], None] = lambda instance, credentials: None
        """Hears of credentials that instance metadata gives out."""
        self._known: dict[str, Identity] = {}
        self._instances: dict[str, RoleCredentials] = {}
        for account, one in settings.accounts.items():
            for access, key in one.keys.items():
                self._known[access] = Identity(
                    account,
                    f"arn:aws:iam::{account}:user/{key.user}",
                    f"AIDA{access[4:]}",
                    key.secret,
                    lambda key=key: [key.policy],  # type: ignore[misc]
                )

    def find(self, access: str) -> Identity | None:
        """Return the holder of an access key."""
        return self._known.get(access) or (self.other(access) if self.other else None)

    def caller(self, request: Request, call: str, who: Signed | None, now: float) -> Caller:
        """Return who calls. Raises Problem."""
        service = who.service if who else "ec2"
        identity = self.find(who.access) if who else None
        if who is None or identity is None or self._faults.hit("auth.failure", call, now):
            raise _unknown(service, missing=who is None)
        if who.region not in REGIONS:
            raise _unknown(service, missing=False)
        if identity.token is not None and who.token != identity.token:
            raise _unknown(service, missing=False)
        ended = identity.expires_at is not None and now >= identity.expires_at
        if ended or self._faults.hit("auth.expired", call, now):
            raise _expired(service)
        skew = self._faults.standing("clock.skew", call, now) or 0.0
        wrong = check(request, who, identity.secret, now + skew, self._settings.clock_skew_max_s)
        if wrong == "signature":
            raise _mismatch(service)
        if wrong is not None:
            raise _untimely(service, wrong)
        account = self._faults.standing("auth.switch_account", call, now) or identity.account
        return Caller(identity, account, service, who.region)

    def authorise(
        self, caller: Caller, action: str, resources: Sequence[str], context: Mapping[str, str], now: float
    ) -> None:
        """Let a call pass that policies allow. Raises Problem."""
        self.not_denied(caller, action, resources[0], now)
        documents = caller.identity.policies()
        for resource in resources:
            if not policy.allowed(documents, action, resource, context):
                raise _unauthorised(caller, action, resource)

    def not_denied(self, caller: Caller, action: str, resource: str, now: float) -> None:
        """Refuse what the fault ``auth.denied`` names. Raises Problem."""
        denied = self._faults.standing("auth.denied", action.replace(":", "."), now) or ()
        if any(fnmatchcase(action, pattern) for pattern in denied):
            raise _unauthorised(caller, action, resource)

    def of_instance(self, instance: Instance, now: float) -> RoleCredentials | None:
        """Return the credentials that an instance's metadata shows now, or ``None`` without a role."""
        role = instance.order.role
        if role is None:
            return None
        held = self._instances.get(instance.id)
        if held is None or now >= held.expires_at - RENEW_S:
            access = f"ASIA{self._rng.getrandbits(80):020x}"[:20].upper()
            secret, token = (f"{self._rng.getrandbits(160):040x}" for _ in range(2))
            held = RoleCredentials(access, secret, token, now, now + ROLE_CREDENTIALS_S)
            self._instances[instance.id] = held
            self._known[access] = Identity(
                instance.account,
                f"arn:aws:sts::{instance.account}:assumed-role/{role}/{instance.id}",
                f"AROA{role}:{instance.id}",
                secret,
                lambda: self.role_policies(instance.account, role),
                token,
                held.expires_at,
            )
            self.minted(instance, held)
        return held

    def _role_policies(self, account: str, role: str) -> Sequence[Mapping[str, Any]]:
        return [self._settings.accounts[account].role_policies.get(role, EVERYTHING)]


def who_signed(request: Request) -> Signed | None:
    """Return who signed a request."""
    return signed(request)


def _unknown(service: str, missing: bool) -> Problem:
    if service == "ec2":
        text = "AWS was not able to validate the provided access credentials"
        return Problem("MissingAuthenticationToken" if missing else "AuthFailure", text, 403 if missing else 401)
    if service == "s3":
        return Problem("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403)
    if service in QUERY_SERVICES:
        return Problem("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    return Problem("UnrecognizedClientException", "The security token included in the request is invalid.")


def _expired(service: str) -> Problem:
    if service == "ec2":
        return Problem("RequestExpired", "Request has expired.")
    if service == "s3":
        return Problem("ExpiredToken", "The provided token has expired.")
    status = 403 if service in QUERY_SERVICES else 400
    return Problem("ExpiredToken", "The security token included in the request is expired", status)


def _mismatch(service: str) -> Problem:
    if service == "ec2":
        return _unknown(service, missing=False)
    text = "The request signature we calculated does not match the signature you provided."
    json = service not in ("s3", *QUERY_SERVICES)
    return Problem("InvalidSignatureException" if json else "SignatureDoesNotMatch", text, 400 if json else 403)


def _untimely(service: str, wrong: str) -> Problem:
    if service == "ec2":
        return Problem("RequestExpired", "Request has expired.")
    if service == "s3":
        text = "The difference between the request time and the current time is too large."
        return Problem("RequestTimeTooSkewed", text, 403)
    text = "Signature expired" if wrong == "late" else "Signature not yet current"
    json = service not in QUERY_SERVICES
    return Problem("InvalidSignatureException" if json else "SignatureDoesNotMatch", text, 400 if json else 403)


def _unauthorised(caller: Caller, action: str, resource: str) -> Problem:
    text = (
        f"User: {caller.identity.arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    if caller.service == "ec2":
        return Problem("UnauthorizedOperation", f"You are not authorized to perform this operation. {text}", 403)
    return Problem("AccessDenied", text, 403 if caller.service in ("s3", *QUERY_SERVICES) else 400)
