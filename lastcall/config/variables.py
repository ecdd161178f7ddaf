"""Which environment variables set what: one generic name for every setting, and the names people already use.

``LASTCALL_<SECTION>_<KEY>`` works for everything; it wins over the kept names, which are tried in the order given.
An empty variable counts as not set. A secret can be read from a file: ``NAME_FILE`` beside any of its names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lastcall.config.fields import FIELDS, Field
from lastcall.config.problems import did_you_mean

KEPT_NAMES: Mapping[str, tuple[str, ...]] = {
    "provider": ("CLOUD_PROVIDER",),
    "training.max_cost_usd": ("RUNPOD_MAX_TRAINING_COST",),
    "predictions.max_cost_usd": ("RUNPOD_MAX_PREDICTION_COST",),
    "storage.datasets": ("RUNPOD_DATA_PREFIX",),
    "storage.models": ("RUNPOD_MODELS_PREFIX",),
    "runpod.api_key": ("RUNPOD_API_KEY",),
    "runpod.network_volume_id": ("RUNPOD_NETWORK_VOLUME_ID",),
    "runpod.storage_access_key": ("RUNPOD_STORAGE_ACCESS_KEY",),
    "runpod.storage_secret_key": ("RUNPOD_STORAGE_SECRET_KEY",),
    "runpod.s3_endpoint": ("RUNPOD_STORAGE_ENDPOINT",),
    "runpod.default_gpu_type": ("RUNPOD_DEFAULT_GPU_TYPE",),
    "runpod.cloud_type": ("RUNPOD_CLOUD_TYPE",),
    "runpod.endpoint_id": ("RUNPOD_ENDPOINT_ID",),
    "runpod.docker_registry": ("RUNPOD_DOCKER_REGISTRY", "DOCKER_USERNAME"),
    "aws.access_key_id": ("AWS_ACCESS_KEY_ID",),
    "aws.secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "aws.session_token": ("AWS_SESSION_TOKEN",),
    "aws.profile": ("AWS_PROFILE",),
    "aws.region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "aws.endpoint_url": ("AWS_ENDPOINT_URL",),
    "aws.ec2_endpoint": ("AWS_ENDPOINT_URL_EC2",),
    "aws.s3_endpoint": ("AWS_ENDPOINT_URL_S3",),
    "aws.sts_endpoint": ("AWS_ENDPOINT_URL_STS",),
    "aws.ssm_endpoint": ("AWS_ENDPOINT_URL_SSM",),
    "aws.logs_endpoint": ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",),
    "aws.pricing_endpoint": ("AWS_ENDPOINT_URL_PRICING",),
    "aws.ce_endpoint": ("AWS_ENDPOINT_URL_COST_EXPLORER",),
    "aws.iam_endpoint": ("AWS_ENDPOINT_URL_IAM",),
    "aws.kms_endpoint": ("AWS_ENDPOINT_URL_KMS",),
    "aws.budgets_endpoint": ("AWS_ENDPOINT_URL_BUDGETS",),
    "aws.service_quotas_endpoint": ("AWS_ENDPOINT_URL_SERVICE_QUOTAS",),
    "telegram.bot_token": ("TELEGRAM_BOT_TOKEN",),
}
"""Setting → variables kept from earlier plans and from the clouds' own tools (requirement R4.1)."""

OTHER_NAMES = frozenset({"LASTCALL_CONFIG", "LASTCALL_DEBUG"})
"""Variables of ours that are not settings."""

MACHINE_NAMES = frozenset(
    {
        "LASTCALL_MACHINE",
        "LASTCALL_MACHINE_DIR",
        "LASTCALL_JOB_FOLDER",
        "LASTCALL_BOOT",
        "LASTCALL_BUNDLE",
        "LASTCALL_WRAPPER_SHA256",
        "LASTCALL_STORAGE_ROOT",
        "LASTCALL_ATTEMPT",
        "LASTCALL_SOFT_DEADLINE",
        "LASTCALL_HARD_DEADLINE",
        "LASTCALL_MAX_RUNTIME_S",
        "LASTCALL_TERM_LEAD_S",
        "LASTCALL_KILL_LEAD_S",
        "LASTCALL_CONTROL_INTERVAL_S",
        "LASTCALL_HEARTBEAT_INTERVAL_S",
        "LASTCALL_LOG_BYTES_MAX",
        "LASTCALL_LOG_FLUSH_S",
        "LASTCALL_NONCE_INTERVAL_S",
        "LASTCALL_NONCE_SETTLE_S",
        "LASTCALL_FOLDER_WAIT_S",
        "LASTCALL_STOP_GRACE_S",
        "LASTCALL_MEMORY_LIMIT_BYTES",
        "LASTCALL_LOCK_FD",
        "LASTCALL_PROGRESS_FILE",
        "LASTCALL_WORK_MEMORY_BYTES",
        "LASTCALL_CHECKPOINT_FILE",
        "LASTCALL_CHECKPOINT_INTERVAL_S",
        "LASTCALL_PROGRESS_INTERVAL_S",
        "LASTCALL_NOTICE_INTERVAL_S",
        "LASTCALL_OUT",
        "LASTCALL_PYTHON",
        "LASTCALL_KEY_FD",
        "LASTCALL_BUCKET_URL",
        "LASTCALL_REGION",
        "LASTCALL_ENCRYPTION",
        "LASTCALL_LOGS_URL",
        "LASTCALL_LOG_GROUP",
        "LASTCALL_INSTANCE_ID",
    }
)
"""What a machine is told by its environment (``containers/job``); a daemon started inside a job ignores it."""

SECRET_BYTES_MAX = 16_384


class Found(NamedTuple):
    """A value and the variable it came from."""

    field: Field
    variable: str
    value: str


def names_of(field: Field) -> tuple[str, ...]:
    """Return the variables of a setting, the one that wins first."""
    return (f"LASTCALL_{field.key.upper().replace('.', '_')}", *KEPT_NAMES.get(field.key, ()))


def read_environment(environ: Mapping[str, str]) -> tuple[list[Found], list[str]]:
    """Return what the environment sets, and a line for every problem in it."""
    found: list[Found] = []
    problems: list[str] = []
    for field in FIELDS:
        for name in names_of(field):
            value = _value(field, name, environ, problems)
            if value is not None:
                found.append(value)
                break
    problems += _unknown(environ)
    return found, problems


def _value(field: Field, name: str, environ: Mapping[str, str], problems: list[str]) -> Found | None:
    plain = environ.get(name, "")
    file = environ.get(f"{name}_FILE", "") if field.secret else ""
    if plain and file:
        problems.append(f"{name}: set together with {name}_FILE; keep one of them")
        return None
    if not file:
        return Found(field, name, plain) if plain else None
    try:
        with Path(file).open("rb") as stream:
            text = stream.read(SECRET_BYTES_MAX + 1).decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not text"
        problems.append(f"{name}_FILE: {field.key} cannot be read from {file}: {reason}")
        return None
    if not text.strip() or len(text) > SECRET_BYTES_MAX:
        problems.append(f"{name}_FILE: {field.key} cannot be read from {file}: empty or too long")
        return None
    return Found(field, f"{name}_FILE", text.strip())


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    known = set(OTHER_NAMES)
    for field in FIELDS:
        known.update(names_of(field))
        if field.secret:
            known.update(f"{name}_FILE" for name in names_of(field))
    for name in sorted(environ):
        if name.startswith("LASTCALL_") and name not in known and name not in MACHINE_NAMES:
            yield f"{name}: unknown setting{did_you_mean(name, sorted(known))}"
