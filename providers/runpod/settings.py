"""What the RunPod provider is told, and how fast RunPod can be believed."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, StringConstraints

from messages.base import Record
from messages.machines import SelfEnding, Timings
from messages.money import UsdPerHour
from providers.fields import HOURS_PER_MONTH, Url

RUNPOD_TIMINGS: Final = Timings(
    list_interval_s=5,
    absence_gap_s=15,
    quiet_s=180,
    min_age_s=120,
    start_allowance_s=1200,
    marker_interval_s=5,
    marker_gap_s=15,
    creates_are_idempotent=False,
    no_uptime_s=600,
    expected_start_s=300,
)
"""design.md 6; a create has no idempotency key (fact sheet 0)."""

CONTAINER_DISK_USD_PER_GB_MONTH: Final = Decimal("0.10")
"""While the pod runs (fact sheet 6.3)."""

PlaceId = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,8}(-[A-Z0-9]{1,8})*$", to_upper=True)]
"""Data centres are upper case; lower-case ids are taken and go wrong later (fact sheet 1.3)."""
VolumeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Path = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._-]+)+$", max_length=200)]


class QuotaShares(Record):
    """What stays free of every quota window for more important calls, as a share of the window."""

    listing: float = Field(default=0.05, ge=0, lt=1)
    """Listings wait while less than this is left: it belongs to terminates."""
    proof: float = Field(default=0.10, ge=0, lt=1)
    rest: float = Field(default=0.20, ge=0, lt=1)


class RunPodSettings(Record):
    """One account and its one network volume. Spans in seconds, sizes in GB."""

    api_key: SecretStr
    volume_id: VolumeId
    data_center: PlaceId | None = None
    """Where the volume lies; asked of the API once when ``None``."""
    api_url: Url = "https://api.runpod.io/v2"
    graphql_url: Url = "https://api.runpod.io/graphql"
    serverless_url: Url = "https://api.runpod.ai/v2"
    s3_endpoint: Url | None = None
    """Derived from the data centre when ``None``."""
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    default_gpu_type: str = Field(default="NVIDIA RTX A5000", min_length=1, max_length=100)
    cloud_type: Literal["SECURE", "COMMUNITY"] = "SECURE"
    image: str = Field(default="python:3.12-slim-bookworm", min_length=1, max_length=300)
    """Any image with ``sh`` and Python 3.11 or newer; the job itself comes from the job bundle."""
    image_digest: str = Field(default="", pattern=r"^(sha256:[0-9a-f]{64})?$")
    """Pins the image: hosts keep old copies under movable tags (fact sheet 7.8)."""
    mount_path: Path = "/workspace"
    container_disk_gb: int = Field(default=40, ge=1, le=1000)
    package_index: Url | None = None
    """Where pods find Python packages; pip's own default when ``None``."""
    self_ending_proven_for: str = ""
    """Fingerprint of the account for which setup has seen a pod end itself."""
    shares: QuotaShares = QuotaShares()
    timings: Timings = RUNPOD_TIMINGS
    log_silence_s: float = Field(default=3.0, gt=0)
    """A log stream never ends and has no end-of-backfill mark (fact sheet 2.4): this much silence is the end."""

    @property
    def fingerprint(self) -> str:
        """What identifies the account: its network volume, which no other account can read."""
        return f"runpod:{self.volume_id}"

    @property
    def self_ending(self) -> SelfEnding:
        """Whether setup has seen a pod of this account end itself."""
        return "proven" if self.self_ending_proven_for == self.fingerprint else "unproven"

    @property
    def image_reference(self) -> str:
        """The image as a create names it."""
        return f"{self.image}@{self.image_digest}" if self.image_digest else self.image

    @property
    def disk_usd_per_hour(self) -> UsdPerHour:
        """What the container disk costs beside the compute price."""
        rate = CONTAINER_DISK_USD_PER_GB_MONTH * self.container_disk_gb / HOURS_PER_MONTH
        return rate.quantize(Decimal("1e-9"))
