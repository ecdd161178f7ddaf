"""A setup on an emulated AWS in virtual time, with moto behind it in this process: one such bench at a time."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from moto.kms.models import kms_backends
from pydantic import SecretStr

from actors.runtime.clock import SystemEntropy
from lastcall.config.load import load
from lastcall.setup.aws import AwsSetup, AwsWishes
from lastcall.setup.aws_wanted import wanted
from lastcall.setup.ground import Ground
from lastcall.setup.steps import Report
from providers.aws.policies import policy
from providers.aws.resources.wanted import Wanted
from providers.aws.settings import Keys
from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.moto_side import MotoSide
from tests.emulators.aws.settings import ACCOUNT, EVERYTHING, MAIN_KEY, MAIN_SECRET, Account, Key, Settings
from tests.emulators.common.switches import Switch
from tests.integration.setup.kit import Someone
from tests.support.aws_sim import AwsTransport
from tests.support.providers.clocks import ManualClock

ADDRESS = "http://localhost:4566"
ALL = {"*": ADDRESS}
KEYS = Keys(access_key=MAIN_KEY, secret_key=SecretStr(MAIN_SECRET))
REGION = "eu-central-1"
BUCKET = f"lastcall-{ACCOUNT}-{REGION}"
EMAIL = "ana@example.com"
READS = ("Get", "List", "Describe", "Head")
DRY = AwsWishes(dry_run=True)
DESTROY = AwsWishes(destroy=True)
MAKE = AwsWishes()


class AwsBench:
    """One computer and one account; ``rights`` is what the key may do."""

    def __init__(
        self, root: Path, rights: Mapping[str, Any] = EVERYTHING, linked: Sequence[str] = (), **account: Any
    ) -> None:
        """``linked``: accounts that are members of an organization."""
        self.clock = ManualClock()
        self.root = root
        self.file = root / "config" / "config.toml"
        keys = {MAIN_KEY: Key(MAIN_SECRET, policy=rights)}
        settings = Settings(
            accounts={ACCOUNT: Account(keys, profiles={}, **account)},
            enforce_iam=True,
            cost_tags=(),
            linked_accounts=tuple(linked),
        )
        self.core = Ec2Core(settings, now=self.seconds())
        self.moto = MotoSide(settings)
        self.moto.serve(self.core)
        self.transport = AwsTransport(self.core, self.clock, behind=self.moto)
        self.environ = {
            "AWS_ACCESS_KEY_ID": MAIN_KEY,
            "AWS_SECRET_ACCESS_KEY": MAIN_SECRET,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": ADDRESS,
            "LASTCALL_AWS_ALARM_EMAIL": EMAIL,
            "XDG_CONFIG_HOME": str(root / "none"),
        }

    def again(self, rights: Mapping[str, Any]) -> AwsBench:
        """Give the key other rights from now on."""
        known = self.core.keys._known
        known[MAIN_KEY] = replace(known[MAIN_KEY], policies=lambda: [rights])
        return self

    def seconds(self) -> float:
        return self.clock.now().timestamp()

    def arm(self, name: str, *arguments: Any, **named: Any) -> None:
        self.core.arm({name: Switch(*arguments, **named)}, self.seconds())

    def heal(self) -> None:
        self.core.faults.heal()

    async def set_up(self, person: Someone | None = None, wishes: AwsWishes = MAKE, **told: Any) -> Report:
        config = str(self.file) if self.file.exists() else None
        flags = {"provider": "local", **{f"aws.{name}": value for name, value in told.items()}}
        loaded = load(self.environ, self.root, flags=flags, config=config)
        ground = Ground(
            loaded.settings, loaded.origins, self.file, self.root / "s", self.transport, self.clock, SystemEntropy()
        )
        return await self.clock.drive(AwsSetup(ground, wishes, person or Someone()).run())

    async def rented(self, name: str = "lc1-one") -> None:
        """Let a machine have been there for two days."""
        self.core.intrude(ACCOUNT, REGION, [name], self.seconds())
        await self.clock.advance(2 * 86_400)
        self.core.tick(self.seconds())

    def changes(self) -> dict[str, int]:
        """Return the calls so far that could have changed something: call → how often it was answered well."""
        found: dict[str, int] = {}
        for one in self.core.asked:
            operation = one.call.partition(".")[2]
            if not operation.startswith(READS) and one.status < 400:
                found[one.call] = found.get(one.call, 0) + 1
        return found

    def written(self) -> dict[str, Any]:
        found: dict[str, Any] = tomllib.loads(self.file.read_text()).get("aws", {}) if self.file.exists() else {}
        return found

    def wanted(self, **told: str) -> Wanted:
        loaded = load(self.environ, self.root, flags={"provider": "local", **told})
        return wanted(loaded.settings, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/lastcall")

    async def make_key(self, alias: str) -> str:
        """Make a KMS key with an alias and return its ARN."""
        backend = kms_backends[ACCOUNT][REGION]
        key = backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", [])
        backend.create_alias(key.id, alias)
        return str(key.arn)


VALUES = {
    "account": ACCOUNT,
    "region": REGION,
    "partition": "aws",
    "bucket": BUCKET,
    "log_bucket": f"{BUCKET}-logs",
    "role": "lastcall-machine",
    "daemon_role": "lastcall-daemon",
    "function_role": "lastcall-function",
    "log_group": "/lastcall/jobs",
    "alarm": f"{BUCKET}-alarm",
    "function": "lastcall-function",
    **{name: name for name in ("datasets", "models", "predictions", "jobs")},
}


def rights_of(part: str, more: Mapping[str, str] | None = None, *, without: str | None = None) -> dict[str, Any]:
    """Return a policy for the bench's account, without one of its statements."""
    whole = policy(part, {**VALUES, **(more or {})})
    return {**whole, "Statement": [one for one in whole["Statement"] if one["Sid"] != without]}


def setup_rights(without: str | None = None) -> dict[str, Any]:
    """Return the setup policy for the bench's account, without one of its statements."""
    return rights_of("setup", without=without)


def daemon_rights(without: str | None = None) -> dict[str, Any]:
    """Return the daemon policy for the bench's account, without one of its statements."""
    return rights_of("daemon", without=without)
