"""Requirement R4.1: every variable name that people know still sets what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from lastcall.config.fields import BY_KEY, FIELDS
from lastcall.config.load import Loaded
from lastcall.config.problems import ConfigError
from lastcall.config.settings import Settings
from lastcall.config.variables import KEPT_NAMES, MACHINE_NAMES, names_of

Loader = Callable[..., Loaded]

BOT = "123456789:" + "A" * 35

R4_1 = [
    ("CLOUD_PROVIDER", "provider", "local"),
    ("RUNPOD_API_KEY", "runpod.api_key", "rpa_canary"),
    ("RUNPOD_NETWORK_VOLUME_ID", "runpod.network_volume_id", "vol123"),
    ("RUNPOD_STORAGE_ACCESS_KEY", "runpod.storage_access_key", "user_abc"),
    ("RUNPOD_STORAGE_SECRET_KEY", "runpod.storage_secret_key", "rps_abc"),
    ("RUNPOD_STORAGE_ENDPOINT", "runpod.s3_endpoint", "https://s3api-eu-ro-1.runpod.io"),
    ("RUNPOD_DEFAULT_GPU_TYPE", "runpod.default_gpu_type", "NVIDIA A40"),
    ("RUNPOD_CLOUD_TYPE", "runpod.cloud_type", "COMMUNITY"),
    ("RUNPOD_DATA_PREFIX", "storage.datasets", "sets"),
    ("RUNPOD_MODELS_PREFIX", "storage.models", "trained/models"),
    ("RUNPOD_MAX_TRAINING_COST", "training.max_cost_usd", "3.5"),
    ("RUNPOD_MAX_PREDICTION_COST", "predictions.max_cost_usd", "0.25"),
    ("RUNPOD_ENDPOINT_ID", "runpod.endpoint_id", "ep1"),
    ("RUNPOD_DOCKER_REGISTRY", "runpod.docker_registry", "me"),
    ("DOCKER_USERNAME", "runpod.docker_registry", "me"),
    ("TELEGRAM_BOT_TOKEN", "telegram.bot_token", BOT),
    ("AWS_ACCESS_KEY_ID", "aws.access_key_id", "AKIAEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "aws.secret_access_key", "abc/def"),
    ("AWS_SESSION_TOKEN", "aws.session_token", "tok"),
    ("AWS_PROFILE", "aws.profile", "work"),
    ("AWS_REGION", "aws.region", "eu-central-1"),
    ("AWS_DEFAULT_REGION", "aws.region", "us-east-1"),
    ("AWS_ENDPOINT_URL", "aws.endpoint_url", "http://localhost:4566"),
    ("AWS_ENDPOINT_URL_EC2", "aws.ec2_endpoint", "http://localhost:1"),
    ("AWS_ENDPOINT_URL_S3", "aws.s3_endpoint", "http://localhost:2"),
    ("AWS_ENDPOINT_URL_STS", "aws.sts_endpoint", "http://localhost:3"),
    ("AWS_ENDPOINT_URL_SSM", "aws.ssm_endpoint", "http://localhost:4"),
    ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "aws.logs_endpoint", "http://localhost:5"),
    ("AWS_ENDPOINT_URL_PRICING", "aws.pricing_endpoint", "http://localhost:6"),
    ("AWS_ENDPOINT_URL_IAM", "aws.iam_endpoint", "http://localhost:7"),
    ("AWS_ENDPOINT_URL_KMS", "aws.kms_endpoint", "http://localhost:8"),
    ("AWS_ENDPOINT_URL_BUDGETS", "aws.budgets_endpoint", "http://localhost:9"),
    ("AWS_ENDPOINT_URL_SERVICE_QUOTAS", "aws.service_quotas_endpoint", "http://localhost:10"),
    ("AWS_ENDPOINT_URL_COST_EXPLORER", "aws.ce_endpoint", "http://localhost:11"),
]


def value_of(settings: Settings, key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.mark.parametrize(("name", "key", "text"), R4_1)
def test_a_known_variable_sets_what_it_says(loaded: Loader, name: str, key: str, text: str) -> None:
    result = loaded({name: text})
    assert str(value_of(result.settings, key)) == text
    assert result.origins[key] == name


def test_the_list_of_known_variables_is_the_one_that_is_tested() -> None:
    assert {name for name, _, _ in R4_1} == {name for names in KEPT_NAMES.values() for name in names}


@pytest.mark.parametrize("key", [field.key for field in FIELDS])
def test_every_setting_has_a_generic_variable(loaded: Loader, key: str) -> None:
    samples = {
        "storage.provider": "local",
        "runpod.s3_endpoint": "https://s3api-us-ks-2.runpod.io",
        "runpod.cloud_type": "secure",
        "runpod.data_center": "us-ks-2",
        "runpod.api_url": "https://api.example.com/v2",
        "runpod.graphql_url": "https://api.example.com/graphql",
        "runpod.serverless_url": "http://127.0.0.1:8080/v2",
        "runpod.package_index": "https://mirror.example.com/simple",
        "runpod.image_digest": "sha256:" + "0" * 64,
        "runpod.mount_path": "/workspace",
        "runpod.container_disk_gb": "30",
        "aws.region": "eu-west-1",
        "aws.kms_key": "alias/lastcall",
        "aws.bill_split_for": "123456789012",
        "aws.instance_type": "m5.large",
        "aws.disk_gb": "50",
        "aws.ami": "ami-0123456789abcdef0",
        "aws.security_group": "sg-0123456789abcdef0",
        "aws.subnet": "subnet-0123456789abcdef0",
        "aws.log_retention_days": "30",
        "aws.alarm_email": "ana@example.com",
        **{
            field.key: "http://localhost:4566"
            for field in FIELDS
            if field.key.startswith("aws.") and "endpoint" in field.key
        },
        "aws.package_index": "https://mirror.example.com/simple",
        "telegram.bot_token": BOT,
        "logging.level": "DEBUG",
        "logging.format": "json",
        "budgets.timezone": "Europe/Berlin",
        "provider": "LOCAL",
    }
    field = BY_KEY[key]
    number = field.type in ("number", "whole number")
    plain = "true" if field.type == "true or false" else "1" if number else "abcd"
    result = loaded({names_of(field)[0]: samples.get(key, plain)})
    assert result.origins[key] == f"LASTCALL_{key.upper().replace('.', '_')}"


def test_the_generic_variable_wins_over_the_kept_one_and_that_over_its_fallback(loaded: Loader) -> None:
    names = {"LASTCALL_RUNPOD_DOCKER_REGISTRY": "a", "RUNPOD_DOCKER_REGISTRY": "b", "DOCKER_USERNAME": "c"}
    assert loaded(names).settings.runpod.docker_registry == "a"
    del names["LASTCALL_RUNPOD_DOCKER_REGISTRY"]
    assert loaded(names).settings.runpod.docker_registry == "b"
    del names["RUNPOD_DOCKER_REGISTRY"]
    assert loaded(names).settings.runpod.docker_registry == "c"


def test_an_empty_variable_is_not_set(loaded: Loader) -> None:
    result = loaded({"RUNPOD_API_KEY": "", "LASTCALL_LIMITS_MAX_MACHINES": "", "RUNPOD_API_KEY_FILE": ""})
    assert result.settings.runpod.api_key is None
    assert result.origins["limits.max_machines"] == "default"


def test_a_secret_can_stand_in_a_file(loaded: Loader, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("rpa_from_file\n")
    result = loaded({"RUNPOD_API_KEY_FILE": str(secret)})
    assert value_of(result.settings, "runpod.api_key") == "rpa_from_file"
    assert result.origins["runpod.api_key"] == "RUNPOD_API_KEY_FILE"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe", b"x" * 20_000])
def test_an_unusable_secret_file_is_one_line(loaded: Loader, tmp_path: Path, content: bytes | None) -> None:
    secret = tmp_path / "key"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        loaded({"LASTCALL_RUNPOD_API_KEY_FILE": str(secret)})
    (line,) = caught.value.lines
    assert line.startswith(f"LASTCALL_RUNPOD_API_KEY_FILE: runpod.api_key cannot be read from {secret}: ")


def test_a_secret_given_twice_is_refused(loaded: Loader) -> None:
    with pytest.raises(ConfigError, match=r"^TELEGRAM_BOT_TOKEN: set together with TELEGRAM_BOT_TOKEN_FILE"):
        loaded({"TELEGRAM_BOT_TOKEN": BOT, "TELEGRAM_BOT_TOKEN_FILE": "/nowhere"})


def test_an_ordinary_setting_has_no_file_variable(loaded: Loader) -> None:
    with pytest.raises(ConfigError, match=r"^LASTCALL_LIMITS_MAX_MACHINES_FILE: unknown setting"):
        loaded({"LASTCALL_LIMITS_MAX_MACHINES_FILE": "/x"})


def test_an_unknown_variable_of_ours_is_refused_with_the_nearest(loaded: Loader) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded({"LASTCALL_LIMITS_MAX_RUNTIM_S": "1"})
    expected = "LASTCALL_LIMITS_MAX_RUNTIM_S: unknown setting; did you mean LASTCALL_LIMITS_MAX_RUNTIME_S?"
    assert caught.value.lines == (expected,)


def test_what_a_machine_is_told_is_no_setting(loaded: Loader) -> None:
    assert loaded(dict.fromkeys(MACHINE_NAMES, "1"))


def test_variables_of_other_programs_are_left_alone(loaded: Loader) -> None:
    assert loaded({"HOST": "x", "PROVIDER": "y", "RUNPOD_POD_ID": "z", "AWS_CA_BUNDLE": "w"}).settings == Settings()
