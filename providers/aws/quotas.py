"""How many processors an account may have at a time: EC2's quotas, counted in vCPUs of a family."""

from __future__ import annotations

from typing import Final, NamedTuple

from providers.aws.client import Call, Client
from providers.interface import Unavailable


class Quota(NamedTuple):
    """One of EC2's quotas that trainings meet."""

    code: str
    words: str
    spot: bool
    gpu: bool

    def needed(self, *, spot: bool) -> bool:
        """Say whether trainings without GPU need it."""
        return not self.gpu and (spot or not self.spot)


QUOTAS: Final = (
    Quota("L-1216C47A", "on demand", spot=False, gpu=False),
    Quota("L-DB2E81BA", "on demand with GPU", spot=False, gpu=True),
    Quota("L-34B43A08", "spot", spot=True, gpu=False),
    Quota("L-3819A6DF", "spot with GPU", spot=True, gpu=True),
)
"""Standard and G families ("Amazon EC2 service quotas")."""


async def quota(client: Client, code: str) -> float:
    """Return what a quota allows. Raises NotFound, Refused or Unavailable."""
    asked = {"ServiceCode": "ec2", "QuotaCode": code}
    said = await client.read(Call("service-quotas", "GetServiceQuota", asked), "for a quota")
    found = said.get("Quota")
    value = found.get("Value") if isinstance(found, dict) else None
    if not isinstance(value, int | float):
        raise Unavailable("AWS's answer about a quota could not be read")
    return float(value)
