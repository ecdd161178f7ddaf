"""All of it, in the order it is made: what needs something comes after it. Removed in the other order."""

from __future__ import annotations

from typing import NamedTuple

from providers.aws.client import Client
from providers.aws.resources.alarm import BudgetAlarm
from providers.aws.resources.buckets import DataBucket, LogBucket
from providers.aws.resources.log_group import LogGroup
from providers.aws.resources.resource import Resource
from providers.aws.resources.roles import InstanceProfile, Role, daemon_role, function_role, machine_role
from providers.aws.resources.security_group import SecurityGroup
from providers.aws.resources.wanted import Wanted


class Everything(NamedTuple):
    """What one Lastcall has in an account."""

    access_log: LogBucket
    bucket: DataBucket
    machine_role: Role
    profile: InstanceProfile
    daemon_role: Role
    function_role: Role
    security_group: SecurityGroup
    log_group: LogGroup
    alarm: BudgetAlarm

    def in_order(self) -> tuple[Resource, ...]:
        """Return them in the order they are made."""
        return tuple(self)


def everything(client: Client, wanted: Wanted) -> Everything:
    """Return all of it; nothing is asked yet."""
    return Everything(
        LogBucket(client, wanted),
        DataBucket(client, wanted),
        machine_role(client, wanted),
        InstanceProfile(client, wanted),
        daemon_role(client, wanted),
        function_role(client, wanted),
        SecurityGroup(client, wanted),
        LogGroup(client, wanted),
        BudgetAlarm(client, wanted),
    )
