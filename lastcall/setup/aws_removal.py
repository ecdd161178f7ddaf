"""``lastcall setup aws --destroy``: removes what a setup of this Lastcall made, and nothing else.

What holds data goes only when the bucket's name is typed; then old versions, the access log and kept lines go too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lastcall.setup.aws_wanted import Found
from lastcall.setup.config_writer import apply_to
from lastcall.setup.ground import Ground
from lastcall.setup.steps import Person, Report, Step
from providers.aws.client import Call, Client
from providers.aws.codec import NAME_TAG, next_token, read_instances
from providers.aws.listing import STATES
from providers.aws.resources.buckets import Bucket
from providers.aws.resources.everything import Everything
from providers.aws.resources.log_group import LogGroup
from providers.aws.resources.resource import Look, Resource
from providers.interface import ProviderError, Unavailable

TRIES_MAX: Final = 5
"""How often a thing is removed: S3 may go on writing the access log, and EC2 remembers a group's last instance."""
PAUSE_S: Final = 5.0
PAGES_MAX: Final = 100


class Removal:
    """One removal."""

    def __init__(self, report: Report, person: Person, ground: Ground) -> None:
        self._report = report
        self._person = person
        self._ground = ground

    async def run(self, client: Client, things: Everything, looks: Mapping[Resource, Look], found: Found) -> None:
        """Remove what is ours of what was looked at. Nothing is removed while a machine runs."""
        if any(step.state == "failed" for step in self._report.steps) or not await self._nothing_runs(client):
            return
        ours = [one for one in reversed(things.in_order()) if self._is_ours(one, looks[one])]
        if not ours:
            self._report.tell(Step("removal", "unchanged", "there is nothing that this command made"))
            return
        holding = await self._holding(ours)
        if self._report.dry_run:
            for one in ours:
                data = f", which holds {holding[one]}, once the bucket's name is typed" if one in holding else ""
                self._report.tell(Step(one.name, "planned", f"would remove {one.title}{data}"))
            return
        if not self._agreed(ours, found):
            return
        kept: set[Resource] = set() if not holding or self._typed(holding, found) else set(holding)
        if things.bucket in kept:  # S3 goes on writing there
            kept.add(things.access_log)
        gone = [one for one in ours if await self._is_gone(client, one, keep=one in kept)]
        self._forget(things, gone)

    # ------------------------------------------------------------------------------------------- looking

    async def _nothing_runs(self, client: Client) -> bool:
        try:
            running = await self._running(client)
        except ProviderError as error:
            self._report.tell(Step("machines", "failed", str(error), "run it again once that is put right"))
            return False
        if running:
            detail = f"machines of Lastcall are there: {', '.join(running)}"
            self._report.tell(Step("machines", "failed", detail, "lastcall stop --all, then run it again"))
        return not running

    async def _running(self, client: Client) -> list[str]:
        """Return the names of machines of any Lastcall in this region. Raises Refused or Unavailable."""
        tagged = {"Name": "tag-key", "Values": [NAME_TAG]}
        asked: dict[str, object] = {"Filters": [tagged, {"Name": "instance-state-name", "Values": list(STATES)}]}
        names: list[str] = []
        for _ in range(PAGES_MAX):
            value = await client.read(Call("ec2", "DescribeInstances", asked), "for machines")
            page = read_instances(value)
            if page is None:
                raise Unavailable("AWS's answer when asked for machines could not be read")
            names += [one.name or one.id for one in page[0]]
            token = next_token(value)
            if token is None:
                return names
            asked["NextToken"] = token
        raise Unavailable("AWS's list of machines does not end")

    def _is_ours(self, one: Resource, look: Look) -> bool:
        if look.there and not one.is_ours(look):
            whose = f"belongs to the Lastcall whose bucket is {look.mark}" if look.mark else "was not made by it"
            self._report.tell(Step(one.name, "skipped", f"{one.title} stays: it {whose}"))
        return look.there and one.is_ours(look)

    async def _holding(self, ours: list[Resource]) -> dict[Resource, str]:
        """Return what holds data, and what it holds; what cannot be looked into counts as holding."""
        found: dict[Resource, str] = {}
        for one in ours:
            if isinstance(one, Bucket | LogGroup):
                try:
                    held = await one.holds()
                except ProviderError as error:
                    held = f"what cannot be seen ({error})"
                if held:
                    found[one] = held
        return found

    # ------------------------------------------------------------------------------------------- asking

    def _agreed(self, ours: list[Resource], found: Found) -> bool:
        for one in ours:
            self._person.waits(f"would remove {one.title}")
        if self._person.agrees(f"Remove this from account {found.account}?"):
            return True
        self._report.tell(Step("agreement", "failed", "nothing was removed", "run it again, or add --yes"))
        return False

    def _typed(self, holding: Mapping[Resource, str], found: Found) -> bool:
        """Have the bucket's name typed; no flag stands for it."""
        for one, held in holding.items():
            self._person.waits(f"{one.title} holds {held}")
        name = found.wanted.bucket
        said = self._person.types(f"To delete all that for ever, type the bucket's name ({name})")
        return said is not None and said.strip() == name

    # ------------------------------------------------------------------------------------------- doing

    async def _is_gone(self, client: Client, one: Resource, *, keep: bool) -> bool:
        if keep:
            advice = "run it again and type the bucket's name to delete it with its data"
            self._report.tell(Step(one.name, "skipped", f"{one.title} stays: it holds data", advice))
            return False
        for tried in range(1, TRIES_MAX + 1):
            try:
                count = await one.empty() if isinstance(one, Bucket) else 0
                await one.remove()
            except ProviderError as error:
                if tried == TRIES_MAX:
                    self._report.tell(Step(one.name, "failed", str(error), "run it again: it goes on where it was"))
                    return False
                await client.clock.sleep(PAUSE_S)
            else:
                with_data = f", with {count} objects and versions" if count else ""
                self._report.tell(Step(one.name, "done", f"removed {one.title}{with_data}"))
                return True
        return False

    def _forget(self, things: Everything, gone: list[Resource]) -> None:
        """Take out of the file what names something that is gone."""
        keys = {things.bucket: "aws.bucket", things.security_group: "aws.security_group"}
        changes: dict[str, str | None] = {key: None for one, key in keys.items() if one in gone}
        if changes and self._ground.config.exists() and apply_to(self._ground.config, changes):
            detail = f"took {' and '.join(changes)} out of {self._ground.config}"
            self._report.tell(Step("configuration", "done", detail))
