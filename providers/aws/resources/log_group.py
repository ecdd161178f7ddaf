"""The log group that keeps what instances said, for so many days."""

from __future__ import annotations

from functools import partial

from providers.aws.resources.resource import NOT_THERE, Difference, Look, Resource, list_at, mark_of, text_at

PAGES_MAX = 100


class LogGroup(Resource):
    """One group of CloudWatch Logs."""

    name = "log group"

    @property
    def title(self) -> str:
        """What it is called."""
        return f"log group {self.group}"

    @property
    def group(self) -> str:
        """Its name."""
        return self.wanted.log_group

    async def look(self) -> Look:
        """Return what is there."""
        retention = await self._retention()
        if retention is None:
            return NOT_THERE
        tagged = await self.found("logs", "ListTagsForResource", f"for the tags of {self.title}", resourceArn=self._arn)
        days = self.wanted.log_retention_days
        put = partial(self._put, "PutRetentionPolicy", retentionInDays=days)
        kept = f"{retention} days" if retention else "for ever"
        differences = () if retention == days else (Difference(f"it keeps lines {kept}, not {days} days", put),)
        return Look(there=True, mark=mark_of((tagged or {}).get("tags") or {}), differences=differences)

    async def create(self) -> None:
        """Make it, with its mark."""
        await self._put("CreateLogGroup", tags=self.mark)

    async def remove(self) -> None:
        """Remove it with all it keeps."""
        await self.drop("logs", "DeleteLogGroup", f"to remove {self.title}", logGroupName=self.group)

    async def holds(self) -> str:
        """Say what is in it, empty for nothing. Raises Refused or Unavailable."""
        asked = {"logGroupName": self.group, "limit": 1}
        value = await self.found("logs", "DescribeLogStreams", f"what is in {self.title}", **asked)
        return "what instances said" if list_at(value, "logStreams") else ""

    async def _retention(self) -> int | None:
        """Return for how many days it keeps lines, 0 for ever; ``None`` where it is not there."""
        asked: dict[str, object] = {"logGroupNamePrefix": self.group}
        for _ in range(PAGES_MAX):
            value = await self.do("logs", "DescribeLogGroups", "for log groups", **asked)
            for one in list_at(value, "logGroups"):
                if one.get("logGroupName") == self.group:
                    days = one.get("retentionInDays")
                    return days if isinstance(days, int) else 0
            token = text_at(value, "nextToken")
            if token is None:
                break
            asked["nextToken"] = token
        return None

    async def _put(self, operation: str, **more: object) -> None:
        await self.do("logs", operation, f"to make {self.title}", logGroupName=self.group, **more)

    @property
    def _arn(self) -> str:
        wanted = self.wanted
        return f"arn:{wanted.partition}:logs:{wanted.region}:{wanted.account}:log-group:{self.group}"
