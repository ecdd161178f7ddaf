"""Every setting, its type, its default and what it is for: the one source of the sample files and the docs.

Descriptions are for users. A setting is named by its section and key (``limits.max_runtime_s``); units stand last in
the name. Secrets are ``SecretStr``: they print as stars and are never part of an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from messages.machines import ProviderKind
from messages.money import Usd

PROVIDERS: tuple[str, ...] = tuple(kind for kind in get_args(ProviderKind) if kind != "fake")
"""Every provider that can be named, built or not."""

WRONG_GPU_TYPES = {
    "NVIDIA RTX A40": "NVIDIA A40",
    "NVIDIA A100 PCIe 40GB": "NVIDIA A100 80GB PCIe",
    "NVIDIA A100 PCIe 80GB": "NVIDIA A100 80GB PCIe",
}
"""Names of older plans that RunPod never had, with and without their first word, and the right one."""

OWN_IMAGE = "own"
"""Value of ``runpod.image`` that means our own training image, which brings its libraries along."""

BOT_TOKEN = re.compile(r"[0-9]{5,20}:[A-Za-z0-9_-]{30,}")


def _number(value: Any) -> Any:
    """Refuse true and false, which Python would count as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004  (pydantic reports ValueError)
    return value


def _whole(value: Any) -> Any:
    """Read a whole number written as text, as environment variables are, where only some numbers are possible."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else _number(value)


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _not_empty(value: Any) -> Any:
    if value == "":
        raise ValueError("must not be empty")
    return value


def _zone(value: str) -> str:
    if value != "UTC":
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"must be a time zone such as UTC or Europe/Berlin, not {value[:60]!r}") from None
    return value


def _gpu_type(value: str) -> str:
    right = WRONG_GPU_TYPES.get(value) or WRONG_GPU_TYPES.get(f"NVIDIA {value}")
    if right is not None:
        raise ValueError(f"{value!r} does not exist; the right name is {right!r}")
    return value


def _storage_endpoint(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", value):
        raise ValueError("must be a URL such as https://s3api-eu-ro-1.runpod.io")
    if "storage.runpod.io" in value:
        raise ValueError("storage.runpod.io does not exist; each data centre has its own, https://s3api-<dc>.runpod.io")
    return value.rstrip("/")


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?", value):
        raise ValueError("must be a URL such as https://api.runpod.io/v2")
    if value.startswith("http://") and not re.match(r"http://(localhost|127\.0\.0\.1)(:|/|$)", value):
        raise ValueError("must begin with https:// (http:// is possible on this computer only)")
    return value.rstrip("/")


def _aws_name(pattern: str, like: str) -> AfterValidator:
    """Return the check of an AWS name; ``like`` shows a right one."""
    found = re.compile(pattern)

    def check(value: str) -> str:
        if not found.fullmatch(value):
            raise ValueError(f"must look like {like}, not {value[:60]!r}")
        return value

    return AfterValidator(check)


def _data_center(value: str) -> str:
    upper = value.upper()
    if not re.fullmatch(r"[A-Z]{2,3}-[A-Z]{2,4}-[0-9]{1,2}", upper):
        raise ValueError(f"{value[:40]!r} is not a data centre; they are called like EU-RO-1 or US-CA-2")
    return upper


def _image(value: str) -> str:
    if "@" in value or not re.fullmatch(r"[a-z0-9][A-Za-z0-9._/:-]{0,200}", value):
        raise ValueError("must be an image name such as python:3.12-slim; its digest stands in image_digest")
    return value


def _image_digest(value: str) -> str:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise ValueError("must be sha256: and 64 hexadecimal digits")
    return value


def _mount(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+){1,16}", value) or "/.." in value or "/./" in value + "/":
        raise ValueError("must be an absolute path such as /workspace")
    return value


def _bot_token(value: SecretStr) -> SecretStr:
    if not BOT_TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("is not a bot token (digits, a colon, then at least 30 letters, digits, _ or -)")
    return value


def _one_word(value: SecretStr) -> SecretStr:
    if re.search(r"\s", value.get_secret_value()):
        raise ValueError("must not have spaces or line breaks in it")
    return value


def _prefix(value: str) -> str:
    value = value.removesuffix("/")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,3}", value):
        raise ValueError(f"must be one to four plain names with / between them, not {value[:60]!r}")
    return value


Cap = Annotated[Usd, BeforeValidator(_number), Field(gt=0)]
Seconds = Annotated[int, BeforeValidator(_number), Field(ge=1, le=30 * 86_400)]
Count = Annotated[int, BeforeValidator(_number), Field(ge=1, le=10_000)]
Secret = Annotated[SecretStr, AfterValidator(_one_word), Field(min_length=1)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


Address = Annotated[str, AfterValidator(_address)]
Days = Annotated[int, BeforeValidator(_number), Field(ge=1, le=3650)]


class Section(BaseModel):
    """One table of the configuration, or the whole of it. Unknown keys are refused before the values are looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Local(Section):
    """Machines on this computer."""

    price_usd_per_second: Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=1)] = Field(
        default=Decimal("0.00001"),
        description="What a machine on this computer costs. The default is about its power: $0.036 an hour.",
    )


class Limits(Section):
    """What jobs may use."""

    max_runtime_s: Seconds = Field(default=7200, description="How long a training may run, unless the order says less.")
    max_machines: Count = Field(default=4, description="Machines at once, of all users; more jobs wait in the queue.")
    max_machines_per_user: Count = Field(default=4, description="Machines at once of one user.")


class Training(Section):
    """Trainings."""

    max_cost_usd: Cap = Field(
        default=Decimal(10), description="What one training may cost, unless the order says less."
    )
    max_billed_attempts: Annotated[int, BeforeValidator(_number), Field(ge=1, le=20)] = Field(
        default=2, description="How many machines that cost money one job may try before it is closed."
    )


class Predictions(Section):
    """Predictions."""

    max_cost_usd: Cap = Field(default=Decimal(1), description="What one prediction may cost.")


class Budgets(Section):
    """Money over time. A limit that is not set does not limit; spent and held money together stay under each."""

    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="Days and months of the budgets follow this zone."
    )
    per_day_usd: Cap | None = Field(default=None, description="All users together, a day.")
    per_month_usd: Cap | None = Field(default=None, description="All users together, a month.")
    total_usd: Cap | None = Field(default=None, description="All users together, since the installation.")
    per_user_per_day_usd: Cap | None = Field(default=None, description="Each user, a day.")
    per_user_per_month_usd: Cap | None = Field(default=None, description="Each user, a month.")
    per_user_total_usd: Cap | None = Field(default=None, description="Each user, since the installation.")
    warning_share: Annotated[Decimal, BeforeValidator(_number), Field(gt=0, le=1)] = Field(
        default=Decimal("0.8"),
        description="Share of a limit from which on it is told as nearly used up; a half is always told.",
    )

    @property
    def zone(self) -> tzinfo:
        """The zone as Python knows it; UTC needs no time zone data on the computer."""
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)


class Storage(Section):
    """Where things lie in the store: no prefix may lie inside another one."""

    datasets: Prefix = Field(default="datasets", description="Prefix of data sets.")
    models: Prefix = Field(default="models", description="Prefix of models.")
    predictions: Prefix = Field(default="predictions", description="Prefix of predictions.")
    jobs: Prefix = Field(default="jobs", description="Prefix of job folders.")
    provider: Annotated[Literal["local", "runpod", "aws"], BeforeValidator(_lower)] | None = Field(
        default=None,
        description="Whose store keeps all of it. It has to be the one that rents the machines, which reach no other: "
        "this computer's disk, the network volume, the bucket. What lies with another provider is copied before use.",
    )

    @property
    def prefixes(self) -> dict[str, str]:
        """What of the store belongs to users: area → prefix."""
        return {name: getattr(self, name) for name in ("datasets", "models", "predictions", "jobs")}


class Retention(Section):
    """How long what nobody asked to keep stays in the store. Data sets and models stay until they are removed."""

    job_folders_days: Days = Field(default=30, description="Folders of jobs that are over, with their logs.")
    logs_days: Days = Field(default=30, description="Logs in them; may be shorter than the folders.")
    environments_days: Days = Field(
        default=30, description="Training environments and job bundles on a volume, since they were last used."
    )


class Logging(Section):
    """The daemon's own log."""

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        default="info", description="How much is said."
    )
    format: Annotated[Literal["auto", "json", "console"], BeforeValidator(_lower)] = Field(
        default="auto", description="auto: readable on a terminal, one JSON object a line elsewhere."
    )


class RunPod(Section):
    """Account and defaults for RunPod."""

    api_key: Secret | None = Field(default=None, description="API key.")
    network_volume_id: Name | None = Field(default=None, description="Network volume that keeps data, models and jobs.")
    storage_access_key: Secret | None = Field(default=None, description="Access key of the volume's S3 API.")
    storage_secret_key: Secret | None = Field(default=None, description="Secret key of the volume's S3 API.")
    s3_endpoint: Annotated[str, AfterValidator(_storage_endpoint)] | None = Field(
        default=None, description="Address of the S3 API; derived from the volume's data centre when not set."
    )
    default_gpu_type: Annotated[Name, AfterValidator(_gpu_type)] = Field(
        default="NVIDIA RTX A5000", description="GPU for jobs that do not need a bigger one."
    )
    cloud_type: Annotated[Literal["COMMUNITY", "SECURE"], BeforeValidator(_upper)] = Field(
        default="SECURE", description="Kind of data centre. Network volumes exist in SECURE only."
    )
    data_center: Annotated[str, AfterValidator(_data_center)] | None = Field(
        default=None, description="Data centre of the network volume; asked of RunPod at the start when not set."
    )
    api_url: Address = Field(default="https://api.runpod.io/v2", description="Address of the REST API, version 2.")
    graphql_url: Address = Field(
        default="https://api.runpod.io/graphql", description="Address of the GraphQL API; used for the balance."
    )
    serverless_url: Address = Field(default="https://api.runpod.ai/v2", description="Address of the serverless API.")
    image: Annotated[str, AfterValidator(_image)] = Field(
        default="python:3.12-slim-bookworm",
        description="Image that jobs start from. It needs sh and Python 3.11 or newer; Lastcall brings the rest. "
        "own: our training image as published under runpod.docker_registry.",
    )
    image_digest: Annotated[str, AfterValidator(_image_digest)] | None = Field(
        default=None, description="Digest of that image, sha256:…; with it every pod runs the very same image."
    )
    mount_path: Annotated[str, AfterValidator(_mount)] = Field(
        default="/workspace", description="Where pods see the network volume."
    )
    container_disk_gb: Annotated[int, BeforeValidator(_number), Field(ge=5, le=1000)] = Field(
        default=20, description="Disk of a pod beside the volume."
    )
    package_index: Address | None = Field(
        default=None, description="Package index that pods install the training libraries from; pip's own when not set."
    )
    self_ending_proven_for: Name | None = Field(
        default=None,
        description="Account for which lastcall setup runpod has seen a pod end itself. Written by that command.",
    )
    endpoint_id: Name | None = Field(default=None, description="Serverless endpoint that answers predictions.")
    docker_registry: Name | None = Field(default=None, description="Account under which own images are published.")


class Aws(Section):
    """Account and defaults for AWS. Keys may be left out where a profile or an instance role gives them."""

    access_key_id: Secret | None = Field(default=None, description="Access key id.")
    secret_access_key: Secret | None = Field(default=None, description="Secret access key.")
    session_token: Secret | None = Field(default=None, description="Session token of temporary keys.")
    profile: Name | None = Field(default=None, description="Named profile of the AWS configuration files.")
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")] | None = Field(
        default=None, description="Region, such as eu-central-1."
    )
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = Field(
        default=None, description="Bucket that keeps data, models and jobs."
    )
    kms_key: (
        Annotated[str, _aws_name(r"(arn:aws[a-z-]*:kms:\S{1,150}|alias/[\w/-]{1,200}|[0-9a-f-]{36})", "alias/x")] | None
    ) = Field(default=None, description="KMS key that encrypts the bucket and the disks; AWS's own keys when not set.")
    instance_type: Annotated[str, _aws_name(r"[a-z0-9-]{2,20}\.[a-z0-9-]{2,20}", "m5.large")] | None = Field(
        default=None, description="Instance type of every training; chosen by size and model when not set."
    )
    spot: bool = Field(
        default=True, description="Try spot instances first; on-demand ones are the way out. false: on-demand only."
    )
    spot_max_price_factor: Annotated[Decimal, BeforeValidator(_number), Field(ge=1, le=10)] = Field(
        default=Decimal("1.25"), description="How far the spot price may rise while a training runs, as a multiple."
    )
    spot_max_usd_per_hour: Cap | None = Field(
        default=None, description="Spot instances above this price are not taken. No limit of its own when not set."
    )
    disk_gb: Annotated[int, BeforeValidator(_number), Field(ge=10, le=1000)] = Field(
        default=50, description="Disk of an instance: encrypted gp3, deleted with it."
    )
    ami: Annotated[str, _aws_name(r"ami-[0-9a-f]{8,17}", "ami-0123456789abcdef0")] | None = Field(
        default=None,
        description="Image that instances start from, pinned. It needs Python 3.11 or newer and systemd. "
        "When not set: the newest Ubuntu 24.04, for GPUs the one with NVIDIA's drivers.",
    )
    image: Annotated[str, AfterValidator(_image)] | None = Field(
        default=None,
        description="Docker image that jobs run in, such as our training image, from a registry without login; "
        "without it jobs bring their libraries.",
    )
    instance_profile: Annotated[str, _aws_name(r"[\w+=,.@-]{1,128}|arn:aws\S{1,250}", "lastcall-machine")] = Field(
        default="lastcall-machine",
        description="Instance profile, by name or ARN; its role lets a job reach its folder.",
    )
    security_group: Annotated[str, _aws_name(r"sg-[0-9a-f]{8,17}", "sg-0123456789abcdef0")] | None = Field(
        default=None,
        description="Security group of the instances; they need no inbound rule. The default one when not set.",
    )
    subnet: Annotated[str, _aws_name(r"subnet-[0-9a-f]{8,17}", "subnet-0123456789abcdef0")] | None = Field(
        default=None, description="Subnet of the instances; the default network's, in any zone, when not set."
    )
    key_name: Name | None = Field(
        default=None, description="SSH key pair for looking into instances; none when not set."
    )
    log_group: Annotated[str, _aws_name(r"[\w./#-]{1,256}", "/lastcall/jobs")] = Field(
        default="/lastcall/jobs", description="CloudWatch log group that keeps what instances said."
    )
    log_retention_days: Annotated[Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365], BeforeValidator(_whole)] = Field(
        default=30, description="How long it keeps it; CloudWatch knows these numbers only."
    )
    datasets_expire_days: Days = Field(default=90, description="Age at which the bucket deletes data sets.")
    models_archive_days: Days = Field(default=30, description="Age at which the bucket moves models to the archive.")
    models_expire_days: Days = Field(default=180, description="Age at which the bucket deletes models.")
    old_versions_days: Days = Field(
        default=7, description="How long the bucket keeps what was deleted or replaced, so that it can be brought back."
    )
    access_log_days: Days = Field(default=90, description="How long the bucket's access log is kept.")
    alarm_email: (
        Annotated[str, _aws_name(r"[^@\s,]{1,64}@[A-Za-z0-9.-]{1,185}\.[A-Za-z]{2,63}", "you@example.com")] | None
    ) = Field(default=None, description="Whom AWS writes to when the account's bill grows; nobody when not set.")
    alarm_usd_per_month: Cap = Field(
        default=Decimal(50), description="Amount of the account's bill of a month that AWS writes about."
    )
    alarm_at: Annotated[Decimal, BeforeValidator(_number), Field(gt=0, le=1)] = Field(
        default=Decimal("0.8"),
        description="Share of that amount at which AWS writes first; it writes again at all of it.",
    )
    bill_split_for: Annotated[str, _aws_name(r"[0-9]{12}", "123456789012")] | None = Field(
        default=None,
        description="Account whose bill tells machines apart by their tag, as lastcall setup aws has seen. "
        "Written by that command.",
    )
    package_index: Address | None = Field(
        default=None, description="Package index that jobs install their libraries from; pip's own when not set."
    )
    endpoint_url: Address | None = Field(
        default=None, description="Address of every AWS service, for emulators; AWS's own when not set."
    )
    ec2_endpoint: Address | None = Field(default=None, description="Address of EC2.")
    s3_endpoint: Address | None = Field(default=None, description="Address of S3.")
    sts_endpoint: Address | None = Field(default=None, description="Address of STS, which says whose account it is.")
    ssm_endpoint: Address | None = Field(default=None, description="Address of SSM, which knows the newest images.")
    logs_endpoint: Address | None = Field(default=None, description="Address of CloudWatch Logs.")
    pricing_endpoint: Address | None = Field(default=None, description="Address of the price list.")
    ce_endpoint: Address | None = Field(default=None, description="Address of Cost Explorer, which shows the bill.")
    iam_endpoint: Address | None = Field(default=None, description="Address of IAM, which setup makes the roles with.")
    kms_endpoint: Address | None = Field(default=None, description="Address of KMS, asked about the key.")
    budgets_endpoint: Address | None = Field(default=None, description="Address of AWS Budgets.")
    service_quotas_endpoint: Address | None = Field(default=None, description="Address of Service Quotas.")


class Telegram(Section):
    """The bot."""

    bot_token: Annotated[SecretStr, AfterValidator(_bot_token)] | None = Field(
        default=None, description="Token of the bot, as BotFather gave it."
    )


class Settings(Section):
    """Everything that can be set."""

    provider: Annotated[str, BeforeValidator(_lower)] = Field(
        default="local", description="Who rents the machines: local (this computer), runpod or aws."
    )
    state_dir: Annotated[Path, BeforeValidator(_not_empty)] | None = Field(
        default=None, description="Everything Lastcall keeps. Default: ~/.local/state/lastcall."
    )
    host: Name | None = Field(
        default=None, description="The daemon's socket, unix:///path. Default: run/admin.sock in the state directory."
    )
    local: Local = Local()
    limits: Limits = Limits()
    training: Training = Training()
    predictions: Predictions = Predictions()
    budgets: Budgets = Budgets()
    storage: Storage = Storage()
    retention: Retention = Retention()
    logging: Logging = Logging()
    runpod: RunPod = RunPod()
    aws: Aws = Aws()
    telegram: Telegram = Telegram()

    def secrets(self) -> tuple[str, ...]:
        """Return every secret value that is set, for the redaction of logs."""
        return tuple(
            value.get_secret_value()
            for section in self.__dict__.values()
            if isinstance(section, Section)
            for value in section.__dict__.values()
            if isinstance(value, SecretStr)
        )

    def digest(self) -> str:
        """Return what names this configuration in a job's binding. A changed secret does not change it."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
