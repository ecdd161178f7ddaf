"""How one emulated AWS is set up: accounts, speeds, quotas, images of containers. All of it can come as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"
MAIN_KEY, MAIN_SECRET = "AKIAMAIN000000000000", "main-secret-0000000000000000000000000000"
READ_KEY, READ_SECRET = "AKIAREAD000000000000", "read-secret-0000000000000000000000000000"
OTHER_KEY, OTHER_SECRET = "AKIAOTHER00000000000", "other-secret-000000000000000000000000000"
EVERYTHING: Mapping[str, Any] = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
READING: Mapping[str, Any] = {
    "Statement": [{"Effect": "Allow", "Action": ["ec2:Describe*", "ec2:Get*"], "Resource": "*"}]
}


@dataclass(frozen=True)
class Key:
    """One access key."""

    secret: str = field(repr=False)
    user: str = "lastcall"
    policy: Mapping[str, Any] = field(default_factory=lambda: EVERYTHING)
    """An IAM policy document."""


@dataclass(frozen=True)
class Account:
    """One customer."""

    keys: Mapping[str, Key]
    on_demand_vcpus: Mapping[str, int] = field(default_factory=lambda: {"Standard": 64, "G": 16, "P": 8})
    """Quota per family and region; past it VcpuLimitExceeded."""
    spot_vcpus: Mapping[str, int] = field(default_factory=lambda: {"Standard": 64, "G": 16, "P": 8})
    """Past it MaxSpotInstanceCountExceeded."""
    profiles: Mapping[str, str] = field(default_factory=lambda: {"lastcall-instance": "lastcall-instance"})
    """Instance profile → its role; IAM, where it is there, knows more."""
    role_policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Role → policy; one that is not here may do everything."""


@dataclass(frozen=True)
class ContainerImage:
    """What ``docker run`` of an image starts on an instance."""

    command: tuple[str, ...] = ()
    """What runs when the call names nothing."""
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def _accounts() -> dict[str, Account]:
    return {
        ACCOUNT: Account({MAIN_KEY: Key(MAIN_SECRET), READ_KEY: Key(READ_SECRET, "reader", READING)}),
        OTHER_ACCOUNT: Account({OTHER_KEY: Key(OTHER_SECRET)}),
    }


@dataclass(frozen=True)
class Settings:
    """Everything that is the same for the whole life of an emulated AWS."""

    accounts: Mapping[str, Account] = field(default_factory=_accounts)
    pending_s: float = 6.0
    """pending → running."""
    boot_s: float = 15.0
    """running → the first line of user-data."""
    shutting_down_s: float = 20.0
    """shutting-down → terminated."""
    grace_s: float = 5.0
    """What ends with its machine gets so long after SIGTERM; below ``shutting_down_s``."""
    stopping_s: float = 20.0
    reboot_s: float = 10.0
    forget_s: float = 3600.0
    """A terminated instance is shown so long."""
    notice_s: float = 120.0
    """Spot: notice → interruption."""
    token_s: float = 86_400.0
    """A ClientToken is remembered so long after its instance ended."""
    clock_skew_max_s: float = 300.0
    console_lag_s: float = 0.0
    types: Mapping[str, Decimal] = field(default_factory=dict)
    """Instance type → another on-demand price, USD per hour in us-east-1."""
    containers: Mapping[str, ContainerImage] | None = None
    """Image name, or pattern → what it runs; ``None``: instances have no Docker."""
    cost_tags: tuple[str, ...] = ("lastcall:name",)
    """Keys that are active as cost allocation tags from the first day on."""
    linked_accounts: tuple[str, ...] = ()
    """Members of an organization: its management account alone has cost allocation tags."""
    bill_lag_s: float = 86_400.0
    """Cost Explorer shows what was used so long ago at the earliest."""
    bill_final_s: float = 5 * 86_400.0
    """A month is estimated until so long after its end."""
    bill_rows: int = 5_000
    """Groups on one page of Cost Explorer."""
    enforce_iam: bool = False
    """Policies of IAM users and roles decide in the services that moto plays, too."""
    minute_s: float = 60.0
    """How long the minute of ``shutdown +N`` is, so that tests need not wait one."""


def from_json(document: Mapping[str, Any]) -> Settings:
    """Return settings from their JSON form. Raises ValueError on an unknown name."""
    known = {one.name for one in fields(Settings)}
    unknown = sorted(set(document) - known)
    if unknown:
        raise ValueError(f"no such settings: {', '.join(unknown)}")
    values: dict[str, Any] = dict(document)
    if "accounts" in values:
        values["accounts"] = {name: _account(one) for name, one in values["accounts"].items()}
    for name in ("cost_tags", "linked_accounts"):
        if name in values:
            values[name] = tuple(values[name])
    if "types" in values:
        values["types"] = {name: Decimal(str(price)) for name, price in values["types"].items()}
    if values.get("containers") is not None:
        values["containers"] = {
            name: ContainerImage(
                tuple(one.get("command", ())), tuple(one.get("entrypoint", ())), dict(one.get("env", {}))
            )
            for name, one in values["containers"].items()
        }
    return Settings(**values)


def _account(document: Mapping[str, Any]) -> Account:
    values = dict(document)
    values["keys"] = {access: Key(**one) for access, one in values.get("keys", {}).items()}
    return Account(**values)
