"""The security group of instances: nothing comes in. Whatever they need, they ask for themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from providers.aws.resources.resource import NOT_THERE, Difference, Look, Resource, list_at, mark_of, text_at
from providers.interface import NotFound, Refused

WORDS = "Lastcall: instances that train; nothing comes in"


class SecurityGroup(Resource):
    """The configured group, or the one of our name in the network that instances start in."""

    name = "security group"

    id: str | None = None
    """Known after a look."""

    @property
    def title(self) -> str:
        """What it is called."""
        known = self.wanted.security_group or self.id
        return f"security group {known}" if known else f"security group {self._group_name}"

    async def look(self) -> Look:
        """Return what is there. Raises Refused without a network."""
        self.id = None
        value = await self.found("ec2", "DescribeSecurityGroups", "for security groups", **await self._which())
        groups = list_at(value, "SecurityGroups")
        if not groups:
            if self.wanted.security_group is not None:
                raise Refused(f"there is no security group {self.wanted.security_group} here: check aws.security_group")
            return NOT_THERE
        self.id = text_at(groups[0], "GroupId")
        inbound = list_at(groups[0], "IpPermissions")
        close = partial(self._close, inbound)
        open_to = Difference(f"{len(inbound)} rules let others in", close)
        return Look(there=True, mark=mark_of(groups[0].get("Tags")), differences=(open_to,) if inbound else ())

    async def create(self) -> None:
        """Make it, with its mark; a new one lets nothing in and everything out ("CreateSecurityGroup")."""
        network = await self._network()
        tags = [{"ResourceType": "security-group", "Tags": self.tags}]
        asked = {"GroupName": self._group_name, "Description": WORDS, "VpcId": network, "TagSpecifications": tags}
        await self.do("ec2", "CreateSecurityGroup", "for a security group", **asked)

    async def remove(self) -> None:
        """Remove it; EC2 refuses while an instance has it."""
        if self.id is not None:
            await self.drop("ec2", "DeleteSecurityGroup", f"to remove {self.title}", GroupId=self.id)

    @property
    def _group_name(self) -> str:
        return self.wanted.instance_profile

    async def _close(self, inbound: Sequence[object]) -> None:
        asked = {"GroupId": self.id, "IpPermissions": list(inbound)}
        await self.do("ec2", "RevokeSecurityGroupIngress", f"to close {self.title}", **asked)

    async def _which(self) -> dict[str, object]:
        if self.wanted.security_group is not None:
            return {"GroupIds": [self.wanted.security_group]}
        asked = {"group-name": self._group_name, "vpc-id": await self._network()}
        return {"Filters": [{"Name": name, "Values": [value]} for name, value in asked.items()]}

    async def _network(self) -> str:
        """Return the network that instances start in: the subnet's, else the region's default one."""
        if self.wanted.subnet is not None:
            try:
                value = await self.do("ec2", "DescribeSubnets", "about a subnet", SubnetIds=[self.wanted.subnet])
            except NotFound as error:
                raise Refused(f"there is no subnet {self.wanted.subnet} in this region: check aws.subnet") from error
            networks = [text_at(one, "VpcId") for one in list_at(value, "Subnets")]
        else:
            default = [{"Name": "is-default", "Values": ["true"]}]
            value = await self.do("ec2", "DescribeVpcs", "for the default network", Filters=default)
            networks = [text_at(one, "VpcId") for one in list_at(value, "Vpcs")]
        if not networks or networks[0] is None:
            raise Refused(f"{self.wanted.region} has no default network in this account: set aws.subnet")
        return networks[0]
