"""What an account shall hold for one Lastcall: names, spans and policies. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from pydantic import Field

from messages.base import Record
from providers.aws.policies import joined, policy
from providers.interface import Refused

MARK: Final = "lastcall:setup"
"""Tag of everything that a setup made; its value is the bucket of the Lastcall it was made for."""
POLICY_NAME: Final = "lastcall"
"""Inline policy of a role."""
STALE_UPLOAD_DAYS: Final = 2
"""Parts of an upload that was never finished are dropped at this age; an upload is resumed within hours or not."""
NAME_CHARS_MAX: Final = 63
LOGS_SUFFIX: Final = "-logs"
MACHINE_SUFFIX: Final = "-machine"


class Alarm(Record):
    """AWS Budgets writes to somebody when the account's bill of a month grows."""

    email: str
    usd_per_month: Decimal = Field(gt=0)
    share: Decimal = Field(gt=0, le=1)
    """Of that amount; AWS writes then, and once more at all of it."""


class Wanted(Record):
    """Everything that is the same for one Lastcall in one account and region. Spans in days."""

    account: str
    partition: str = "aws"
    region: str
    bucket: str
    kms_key: str | None = None
    """ARN."""
    instance_profile: str
    """Name; its role is called the same."""
    subnet: str | None = None
    security_group: str | None = None
    """Id of the group that is configured."""
    log_group: str
    log_retention_days: int
    datasets: str
    models: str
    predictions: str
    jobs: str
    datasets_expire_days: int
    models_archive_days: int
    models_expire_days: int
    old_versions_days: int
    access_log_days: int
    alarm: Alarm | None = None

    @property
    def log_bucket(self) -> str:
        """The bucket that S3 writes the access log into: logging into the bucket itself would log the log."""
        return f"{self.bucket}{LOGS_SUFFIX}"

    @property
    def daemon_role(self) -> str:
        """Role that the daemon can take on."""
        return f"{self._stem}-daemon"

    @property
    def function_role(self) -> str:
        """Role of the function that answers predictions."""
        return f"{self._stem}-function"

    @property
    def alarm_name(self) -> str:
        """Name of the budget; it holds the bucket's, which is the mark where there are no tags."""
        return f"{self.bucket}-alarm"

    @property
    def _stem(self) -> str:
        """Several Lastcalls in one account have profiles of different names, and so all else of different names."""
        return self.instance_profile.removesuffix(MACHINE_SUFFIX) or "lastcall"

    def check(self) -> None:
        """Raise Refused for what AWS would not take."""
        if len(self.log_bucket) > NAME_CHARS_MAX:
            most = NAME_CHARS_MAX - len(LOGS_SUFFIX)
            raise Refused(f"the bucket's name has more than {most} characters, and its access log's none left")
        if self.models_expire_days <= self.models_archive_days:
            raise Refused("aws.models_expire_days must be more than aws.models_archive_days")

    def policies(self) -> dict[str, dict[str, Any]]:
        """Return every policy filled in, by the words it is shown under."""
        machine = [self.policy("instance")]
        daemon = [self.policy("daemon")]
        function = [self.policy("function")]
        if self.kms_key is not None:
            for each in (machine, daemon, function):
                each.append(self.policy("key-storage"))
            daemon.append(self.policy("key-disks"))
        return {
            "daemon": joined(*daemon),
            "instance": joined(*machine),
            "function": joined(*function),
            "bucket": self.policy("bucket"),
            "bucket-logs": self.policy("bucket-logs"),
            "setup": self.policy("setup"),
        }

    def policy(self, part: str) -> dict[str, Any]:
        """Return one part filled in."""
        return policy(part, self.values())

    def values(self) -> dict[str, str]:
        """Return what policies are filled in with."""
        return {
            "account": self.account,
            "region": self.region,
            "partition": self.partition,
            "bucket": self.bucket,
            "log_bucket": self.log_bucket,
            "role": self.instance_profile,
            "daemon_role": self.daemon_role,
            "function_role": self.function_role,
            "function": self.function_role,
            "log_group": self.log_group,
            "alarm": self.alarm_name,
            "jobs": self.jobs,
            "datasets": self.datasets,
            "models": self.models,
            "predictions": self.predictions,
            **({"kms_key": self.kms_key} if self.kms_key is not None else {}),
        }
