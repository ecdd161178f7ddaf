"""Roles that the daemon, machines and the function take on, each with one inline policy, and the machines' profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from providers.aws.client import Client
from providers.aws.policies import same
from providers.aws.resources.resource import NOT_THERE, Difference, Look, Resource, list_at, mark_of, text_at
from providers.aws.resources.wanted import POLICY_NAME, Wanted


class Role(Resource):
    """One role. Policies that somebody else gave it stay."""

    def __init__(self, client: Client, wanted: Wanted, name: str, role: str, trust: str, part: str) -> None:
        """``trust`` and ``part`` are the policies that say who may take it on, and what it may do."""
        super().__init__(client, wanted)
        self.name = name
        self.role = role
        self._trust = wanted.policy(trust)
        self._rights = wanted.policies()[part]

    @property
    def title(self) -> str:
        """What it is called."""
        return f"role {self.role}"

    async def look(self) -> Look:
        """Return what is there."""
        value = await self.found("iam", "GetRole", f"for role {self.role}", RoleName=self.role)
        if value is None:
            return NOT_THERE
        role = value.get("Role") or {}
        differences = []
        if not same(read_document(role.get("AssumeRolePolicyDocument")), self._trust):
            put = partial(self._put, "UpdateAssumeRolePolicy", PolicyDocument=json.dumps(self._trust))
            differences.append(Difference("others than wanted may take it on", put))
        asked = {"RoleName": self.role, "PolicyName": POLICY_NAME}
        rights = await self.found("iam", "GetRolePolicy", f"what role {self.role} may do", **asked)
        if not same(read_document((rights or {}).get("PolicyDocument")), self._rights):
            document = json.dumps(self._rights)
            put = partial(self._put, "PutRolePolicy", PolicyName=POLICY_NAME, PolicyDocument=document)
            differences.append(Difference("its rights differ" if rights else "it has no rights yet", put))
        return Look(there=True, mark=mark_of(role.get("Tags")), differences=tuple(differences))

    async def create(self) -> None:
        """Make it, with its mark."""
        trust = json.dumps(self._trust)
        words = f"Lastcall with bucket {self.wanted.bucket}: {self.name}"
        await self._put("CreateRole", AssumeRolePolicyDocument=trust, Description=words, Tags=self.tags)

    async def remove(self) -> None:
        """Remove it with its policy. One that somebody gave more policies is refused by IAM."""
        what = f"to remove role {self.role}"
        await self.drop("iam", "DeleteRolePolicy", what, RoleName=self.role, PolicyName=POLICY_NAME)
        await self.drop("iam", "DeleteRole", what, RoleName=self.role)

    async def _put(self, operation: str, **more: object) -> None:
        await self.do("iam", operation, f"to make role {self.role}", RoleName=self.role, **more)


class InstanceProfile(Resource):
    """What gives instances their role."""

    name = "profile"

    @property
    def title(self) -> str:
        """What it is called."""
        return f"instance profile {self.profile}"

    @property
    def profile(self) -> str:
        """Its name, and its role's."""
        return self.wanted.instance_profile

    async def look(self) -> Look:
        """Return what is there."""
        value = await self.found("iam", "GetInstanceProfile", f"for {self.title}", InstanceProfileName=self.profile)
        if value is None:
            return NOT_THERE
        profile = value.get("InstanceProfile") or {}
        roles = [text_at(one, "RoleName") or "" for one in list_at(profile, "Roles")]
        differences = []
        if not roles:
            differences.append(Difference("it has no role", partial(self._change, "AddRoleToInstanceProfile")))
        elif roles != [self.profile]:
            differences.append(Difference(f"its role is {', '.join(roles)}", partial(self._exchange, roles[0])))
        return Look(there=True, mark=mark_of(profile.get("Tags")), differences=tuple(differences))

    async def create(self) -> None:
        """Make it, with its mark."""
        asked = {"InstanceProfileName": self.profile, "Tags": self.tags}
        await self.do("iam", "CreateInstanceProfile", f"to make {self.title}", **asked)

    async def remove(self) -> None:
        """Take its role out and remove it."""
        asked = {"InstanceProfileName": self.profile}
        what = f"to remove {self.title}"
        await self.drop("iam", "RemoveRoleFromInstanceProfile", what, RoleName=self.profile, **asked)
        await self.drop("iam", "DeleteInstanceProfile", what, **asked)

    async def _exchange(self, role: str) -> None:
        await self._change("RemoveRoleFromInstanceProfile", role)
        await self._change("AddRoleToInstanceProfile")

    async def _change(self, operation: str, role: str | None = None) -> None:
        asked = {"InstanceProfileName": self.profile, "RoleName": role or self.profile}
        await self.do("iam", operation, f"to give {self.title} its role", **asked)


def machine_role(client: Client, wanted: Wanted) -> Role:
    """Return the role of instances."""
    return Role(client, wanted, "machine role", wanted.instance_profile, "trust-ec2", "instance")


def daemon_role(client: Client, wanted: Wanted) -> Role:
    """Return the role of the daemon, which every user and role of the account that may assume it can take on."""
    return Role(client, wanted, "daemon role", wanted.daemon_role, "trust-account", "daemon")


def function_role(client: Client, wanted: Wanted) -> Role:
    """Return the role of the function that answers predictions."""
    return Role(client, wanted, "function role", wanted.function_role, "trust-lambda", "function")


def read_document(value: object) -> Mapping[str, Any] | None:
    """Return a policy as IAM gives it back, percent-encoded; ``None`` for what is none."""
    if isinstance(value, Mapping):
        return value
    try:
        document = json.loads(unquote(value)) if isinstance(value, str) else None
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
