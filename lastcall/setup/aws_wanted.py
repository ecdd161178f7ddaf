"""From the configuration to what an AWS account shall hold, for setup and ``doctor``."""

from __future__ import annotations

from typing import Final, NamedTuple

from lastcall.config.settings import Settings
from lastcall.renting import aws_settings
from providers.aws.account import Account
from providers.aws.client import Client
from providers.aws.resources.key import usable_key
from providers.aws.resources.wanted import Alarm, Wanted
from providers.seams import ProviderClock
from providers.transport import Transport

NO_BUCKET: Final = "lastcall-none"
"""Stands for the bucket while there is none to name."""


class Found(NamedTuple):
    """Whose key it is, and what the account shall hold."""

    account: str
    arn: str
    wanted: Wanted


def client_of(settings: Settings, transport: Transport, clock: ProviderClock) -> Client:
    """Return a client of the configured account and region, with or without a bucket. Raises Refused."""
    told = settings.aws
    filled = told if told.bucket is not None else told.model_copy(update={"bucket": NO_BUCKET})
    return Client(transport, clock, aws_settings(settings.model_copy(update={"aws": filled})))


async def find(client: Client, settings: Settings) -> Found:
    """Ask whose key it is, and about the KMS key where one is set. Raises Refused or Unavailable."""
    client.endpoint("sts")  # a region that there is not is no silence of AWS
    account = Account(client)
    try:
        who = await account.who()
    finally:
        await account.close()
    key = settings.aws.kms_key
    arn = None if key is None else await usable_key(client, key)
    return Found(who.account, who.arn, wanted(settings, who.account, who.arn, arn))


def wanted(settings: Settings, account: str, arn: str, kms_key: str | None = None) -> Wanted:
    """Return what the account shall hold. ``arn`` is of whoever asks, and tells the partition."""
    told, storage = settings.aws, settings.storage
    region = told.region or ""
    alarm = None
    if told.alarm_email is not None:
        alarm = Alarm(email=told.alarm_email, usd_per_month=told.alarm_usd_per_month, share=told.alarm_at)
    return Wanted(
        account=account,
        partition=arn.split(":")[1] if arn.count(":") > 1 else "aws",
        region=region,
        bucket=told.bucket or f"lastcall-{account}-{region}",
        kms_key=kms_key,
        instance_profile=told.instance_profile.rpartition("/")[2],
        subnet=told.subnet,
        security_group=told.security_group,
        log_group=told.log_group,
        log_retention_days=told.log_retention_days,
        datasets=storage.datasets,
        models=storage.models,
        predictions=storage.predictions,
        jobs=storage.jobs,
        datasets_expire_days=told.datasets_expire_days,
        models_archive_days=told.models_archive_days,
        models_expire_days=told.models_expire_days,
        old_versions_days=told.old_versions_days,
        access_log_days=told.access_log_days,
        alarm=alarm,
    )
