"""What the AWS provider is told, and how fast EC2 can be believed."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field, SecretStr, StringConstraints

from messages.base import Record
from messages.machines import SelfEnding, Timings
from providers.fields import Url
from providers.here import HereSettings

AWS_TIMINGS: Final = Timings(
    list_interval_s=5,
    absence_gap_s=60,
    quiet_s=120,
    min_age_s=60,
    start_allowance_s=600,
    marker_interval_s=5,
    marker_gap_s=15,
    creates_are_idempotent=True,
    expected_start_s=120,
)
"""design.md 6, but for the quiet time: after a restart the stored request is not repeated, and what EC2 made may stay
out of its lists for a while (ADR 0013)."""

IPV4_USD_PER_HOUR: Final = Decimal("0.005")
"""A public address, in every region ("Amazon VPC pricing", since February 2024)."""
MACHINE_ROOT: Final = "/var/lib/lastcall"
"""Lastcall's own directory on an instance."""
STORE_FOLDER: Final = "store"
"""Below it: what of the bucket was brought there, under its keys."""

SERVICES: Final = ("ec2", "s3", "sts", "ssm", "logs", "pricing", "iam", "kms", "budgets", "service-quotas", "ce")
"""Those that Lastcall speaks to, by botocore's names."""

Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
Sensible = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,300}$")]


class Keys(Record):
    """A fixed access key, instead of what profile, role or environment give."""

    access_key: str = Field(repr=False, min_length=1)
    secret_key: SecretStr
    session_token: SecretStr | None = None


class AwsSettings(Record):
    """One account in one region, and its bucket. Spans in seconds, sizes in GB."""

    region: Region
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    keys: Keys | None = None
    profile: str | None = None
    endpoints: dict[str, Url] = Field(default_factory=dict)
    """Service → address, where it is not AWS's own; ``*`` is for all that are not named."""
    kms_key: Sensible | None = None
    instance_type: Sensible | None = None
    """For every job; chosen by size and model when ``None``."""
    spot: bool = True
    spot_max_price_factor: Decimal = Field(default=Decimal("1.25"), ge=1, le=10)
    """A spot instance is given back once its price is so many times the one it was taken at."""
    spot_max_usd_per_hour: Decimal | None = Field(default=None, gt=0)
    disk_gb: int = Field(default=50, ge=10, le=1000)
    ami: Sensible | None = None
    """Image to start from; the newest of ``images.UBUNTU``, for GPUs ``UBUNTU_GPU``, when ``None``."""
    image: Sensible | None = None
    """Docker image that the job runs in."""
    instance_profile: Sensible = "lastcall-machine"
    security_group: Sensible | None = None
    subnet: Sensible | None = None
    key_name: Sensible | None = None
    log_group: Sensible = "/lastcall/jobs"
    package_index: Url | None = None
    timings: Timings = AWS_TIMINGS
    self_ending: SelfEnding = "proven"
    """An instance powers off from inside, and *terminate* is its shutdown behaviour: no right and no key is needed."""

    def endpoint(self, service: str) -> str | None:
        """Return the address of a service that is not AWS's own."""
        return self.endpoints.get(service) or self.endpoints.get("*")


class AwsProviderSettings(AwsSettings, HereSettings):
    """AWS, and what of it lies on this computer."""
