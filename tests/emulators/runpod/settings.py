"""How one emulated platform is set up: dialect, accounts, speeds, quotas, images. All of it can come as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal

Dialect = Literal["2026-08", "2026-10"]
Rights = Literal["all", "read", "none"]

MAIN_KEY = "rpa_MAIN0000000000000000000000000000"
READ_KEY = "rpa_READ0000000000000000000000000000"
NO_RIGHTS_KEY = "rpa_NONE0000000000000000000000000000"
OTHER_KEY = "rpa_OTHER000000000000000000000000000"


@dataclass(frozen=True)
class AccountSettings:
    """One customer of the platform."""

    keys: Mapping[str, Rights]
    """Secret → what it may do. A valid key without the right gets 403 (fact sheet 0)."""
    balance: Decimal = Decimal(100)
    """USD at the start."""
    spend_limit: Decimal = Decimal(80)
    """USD per hour over everything (fact sheet 6.2)."""
    denied_gpus: tuple[str, ...] = ()
    """GPU types that answer 403 to this account."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """What ``{{ RUNPOD_SECRET_<name> }}`` in a pod's environment becomes at its start."""
    s3_keys: Mapping[str, str] = field(default_factory=dict)
    """Access key → secret for volumes; made in the console only, a credential of its own."""


@dataclass(frozen=True)
class Image:
    """A container image the hosts can pull."""

    env: Mapping[str, str] = field(default_factory=dict)
    """What the image sets beyond the platform's variables."""
    command: tuple[str, ...] = ("sleep", "infinity")
    """What runs when the create call names nothing."""


def _accounts() -> dict[str, AccountSettings]:
    main: dict[str, Rights] = {MAIN_KEY: "all", READ_KEY: "read", NO_RIGHTS_KEY: "none"}
    return {
        "user_main": AccountSettings(main, s3_keys={"user_main": "rps_MAIN00000000000000000000000000"}),
        "user_other": AccountSettings({OTHER_KEY: "all"}, s3_keys={"user_other": "rps_OTHER0000000000000000000000000"}),
    }


@dataclass(frozen=True)
class VolumeSettings:
    """A network volume that is there from the start."""

    data_center: str
    size_gb: int = 50
    account: str = "user_main"
    name: str = "ready-made"


@dataclass(frozen=True)
class Settings:
    """Everything that is the same for the whole life of an emulated platform."""

    spec: Dialect = "2026-10"
    pagination: bool | None = None
    """``None``: as the dialect has it (August had none)."""
    cursors: Literal["offset", "key"] = "offset"
    """Whether a cursor means a number of pods or a pod. Nobody says which it is (fact sheet 1.1); by numbers a pod that
    is deleted between two pages hides another one, so that is the default."""
    accounts: Mapping[str, AccountSettings] = field(default_factory=_accounts)
    volumes: Mapping[str, VolumeSettings] = field(default_factory=dict)
    """Volume id → what it is."""
    quotas: Mapping[str, int] = field(default_factory=lambda: {"minute": 60, "hour": 3000, "day": 50_000})
    """Calls per account and window; an empty map means an exempt account, which gets no headers."""
    place_s: float = 2.0
    """PROVISIONING → STARTING."""
    pull_s: float = 10.0
    """STARTING → RUNNING, the image's first pull included."""
    restart_s: float = 15.0
    """From the end of a container's first process to its next start (fact sheet 2.1: 15 to 20 s)."""
    terminate_grace_s: float = 1.0
    """Between the answer to a terminate and the last process of the pod being killed."""
    stop_grace_s: float = 5.0
    """SIGTERM → SIGKILL when a pod is stopped."""
    billed_from: Literal["created", "running"] = "created"
    """Open point 5 of the fact sheet; the dearer reading is the default."""
    billing_lag_s: float = 300.0
    """Bills are written every five minutes (fact sheet 6.1)."""
    worker_lost_s: float = 30.0
    """A serverless worker that has not been heard of for so long is lost."""
    images: Mapping[str, Image] | None = None
    """Image name, or pattern → what it holds; ``None``: every image can be pulled."""
    pull_failure: Literal["starting", "exited"] = "starting"
    """What an image that cannot be pulled does to a pod (fact sheet 2.1: both were seen)."""
    stock: Mapping[str, int] = field(default_factory=dict)
    """``<GPU type>@<data centre>`` → how many GPUs there are, ``<CPU flavour>@<data centre>`` → how many vCPUs.
    Others have ``stock_default`` and ``vcpus_default``."""
    stock_default: int = 8
    vcpus_default: int = 10_000
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    """``<GPU type>`` or ``<GPU type>@<data centre>`` → USD per GPU and hour in the secure cloud."""

    @property
    def pages(self) -> bool:
        """Whether lists come in pages."""
        return self.spec != "2026-08" if self.pagination is None else self.pagination


def from_json(document: Mapping[str, Any]) -> Settings:
    """Return settings from their JSON form. Raises ValueError on an unknown name."""
    known = {one.name for one in fields(Settings)}
    unknown = sorted(set(document) - known)
    if unknown:
        raise ValueError(f"no such settings: {', '.join(unknown)}")
    values: dict[str, Any] = dict(document)
    if "accounts" in values:
        values["accounts"] = {name: _account(one) for name, one in values["accounts"].items()}
    if "volumes" in values:
        values["volumes"] = {name: VolumeSettings(**one) for name, one in values["volumes"].items()}
    if values.get("images") is not None:
        values["images"] = {
            name: Image(one.get("env", {}), tuple(one.get("command", ("sleep", "infinity"))))
            for name, one in values["images"].items()
        }
    if "prices" in values:
        values["prices"] = {name: Decimal(str(price)) for name, price in values["prices"].items()}
    return Settings(**values)


def _account(document: Mapping[str, Any]) -> AccountSettings:
    values = dict(document)
    for name in ("balance", "spend_limit"):
        if name in values:
            values[name] = Decimal(str(values[name]))
    if "denied_gpus" in values:
        values["denied_gpus"] = tuple(values["denied_gpus"])
    return AccountSettings(**values)
