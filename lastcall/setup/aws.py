"""``lastcall setup aws``: account, buckets, roles, security group, log group, budget alarm, bill, configuration.

It looks at everything first, says what it would make or put right, asks once, and looks again until each thing is as
wanted. A second run changes nothing. A dry run makes no call that could change anything.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lastcall.setup.aws_bill import SPLIT_KEY, tell_apart
from lastcall.setup.aws_removal import Removal
from lastcall.setup.aws_wanted import Found, client_of, find
from lastcall.setup.config_writer import Changes, apply_to
from lastcall.setup.ground import Ground
from lastcall.setup.steps import Person, Report, Step
from providers.aws.client import Client
from providers.aws.provider import build_aws_storage
from providers.aws.resources.alarm import BudgetAlarm
from providers.aws.resources.buckets import Bucket, DataBucket, Elsewhere, Foreign
from providers.aws.resources.everything import Everything, everything
from providers.aws.resources.resource import Look, Resource, see, settle
from providers.interface import NotFound, ProviderError, Refused, Unavailable
from providers.s3.errors import ClockWrong, Denied, KeyWrong, RegionWrong

AGAIN: Final = "try again; what is there already is found"
LINE: Final = "see the line itself, then run it again"
OTHER_BUCKET: Final = "choose another bucket: --bucket NAME"
OTHER_NAMES: Final = "choose other names: aws.instance_profile, aws.log_group"
RIGHTS: Final = "give the key that right (lastcall setup aws --dry-run prints the whole policy), then run it again"


class AwsWishes(NamedTuple):
    """What was asked for."""

    dry_run: bool = False
    destroy: bool = False
    """Remove what a setup made, instead of making it."""


class Task(NamedTuple):
    """One thing and what was found of it."""

    resource: Resource
    found: Look

    @property
    def what(self) -> str:
        """What has to be done, in words."""
        title = self.resource.title
        return f"put right {title}: {self.found.amiss}" if self.found.there else f"make {title}"


class AwsSetup:
    """One run of the setup."""

    def __init__(self, ground: Ground, wishes: AwsWishes, person: Person) -> None:
        self._ground = ground
        self._wishes = wishes
        self._person = person
        self._report = Report(person, wishes.dry_run)
        self._settings = ground.settings

    @property
    def left(self) -> list[str]:
        """Nothing here costs by the hour; a second run finds what an interrupted one made."""
        return []

    async def run(self) -> Report:
        """Do every step; what one needs and does not get ends the run. Raises ConfigError for the file."""
        if self._settings.aws.region is None:
            advice = "--region eu-central-1, or set aws.region"
            self._report.tell(Step("account", "failed", "no region is chosen", advice))
            return self._report
        client = client_of(self._settings, self._ground.transport, self._ground.clock)
        try:
            found = await self._whose(client)
            if found is not None:
                if self._wishes.dry_run and not self._wishes.destroy:
                    self._report.policies = found.wanted.policies()
                await self._work(client, found)
        finally:
            await client.close()
        return self._report

    async def _work(self, client: Client, found: Found) -> None:
        things = everything(client, found.wanted)
        looks = await self._look(things)
        if self._wishes.destroy:
            removal = Removal(self._report, self._person, self._ground)
            await removal.run(client, things, looks, found)
            return
        tasks = [task for task in (self._judged(one, look) for one, look in looks.items()) if task is not None]
        if self._wishes.dry_run:
            for task in tasks:
                asking = "" if self._is_free(task) else "ask whether to "
                self._report.tell(Step(task.resource.name, "planned", f"would {asking}{task.what}"))
        elif self._failed or not self._agreed(tasks, found) or not await self._do(tasks):
            return
        await self._try_storage(client, things.bucket)
        ready = not tasks and not self._failed
        split = await tell_apart(client, found, self._report, self._person, self._ground, ready=ready)
        self._write(things, found, split=split)

    # ------------------------------------------------------------------------------------------- looking

    async def _whose(self, client: Client) -> Found | None:
        try:
            found = await find(client, self._settings)
            found.wanted.check()
        except Refused as error:
            self._report.tell(Step("account", "failed", str(error), _advice(error)))
            return None
        except ProviderError as error:
            self._report.tell(Step("account", "failed", str(error), "try again when AWS answers"))
            return None
        detail = f"{found.account}, as {found.arn}, in {found.wanted.region}"
        self._report.tell(Step("account", "done", detail))
        return found

    async def _look(self, things: Everything) -> dict[Resource, Look]:
        """Look at everything; what cannot be looked at is told, and the rest goes on, so that all shows at once."""
        looks: dict[Resource, Look] = {}
        for one in things.in_order():
            if isinstance(one, BudgetAlarm) and one.wanted.alarm is None and not self._wishes.destroy:
                advice = "--alarm-email you@example.com, or set aws.alarm_email"
                self._report.tell(Step(one.name, "skipped", "nobody would hear of a bill that grows", advice))
                continue
            try:
                looks[one] = await see(one)
            except ProviderError as error:
                self._report.tell(Step(one.name, "failed", str(error), _advice(error)))
        return looks

    def _judged(self, one: Resource, look: Look) -> Task | None:
        """Return what has to be done about a thing; what needs nothing, or is not ours to change, is told."""
        tell, ours = self._report.tell, one.is_ours(look)
        if look.there and look.mark is not None and not ours:
            detail = f"{one.title} belongs to the Lastcall whose bucket is {look.mark}"
            tell(Step(one.name, "failed", detail, OTHER_BUCKET if isinstance(one, Bucket) else OTHER_NAMES))
            return None
        if look.there and not look.differences:
            words = "as wanted" if ours else "there, not made by this command, and as wanted"
            tell(Step(one.name, "unchanged", f"{one.title}: {words}"))
            return None
        if look.there and not ours and not self._may_change(one, look):
            detail = f"{one.title} is not of this command and stays as it is: {look.amiss}"
            tell(Step(one.name, "skipped", detail, "see --dry-run for what it should be"))
            return None
        return Task(one, look)

    def _is_free(self, task: Task) -> bool:
        """Say whether a thing may be made or changed without asking about it alone."""
        return not task.found.there or task.resource.is_ours(task.found)

    def _may_change(self, one: Resource, look: Look) -> bool:
        """Ask before somebody else's thing is changed; a dry run says that it would ask."""
        if self._wishes.dry_run:
            return True
        return self._person.agrees(f"{one.title} was not made by this command: {look.amiss}. Put that right?")

    # ------------------------------------------------------------------------------------------- doing

    def _agreed(self, tasks: list[Task], found: Found) -> bool:
        if not tasks:
            return True
        for task in tasks:
            self._person.waits(f"would {task.what}")
        question = f"Do this in account {found.account}? Nothing of it costs by itself; what is stored does."
        if self._person.agrees(question):
            return True
        self._report.tell(Step("agreement", "failed", "nothing was made or changed", "run it again, or add --yes"))
        return False

    async def _do(self, tasks: list[Task]) -> bool:
        for resource, found in tasks:
            try:
                await settle(resource, found)
            except ProviderError as error:
                self._report.tell(Step(resource.name, "failed", str(error), _advice(error)))
                continue
            detail = f"put right {resource.title}: {found.amiss}" if found.there else f"made {resource.title}"
            self._report.tell(Step(resource.name, "done", detail))
        return not self._failed

    async def _try_storage(self, client: Client, bucket: DataBucket) -> None:
        if self._wishes.dry_run:
            self._report.tell(Step("storage", "planned", f"would write, read and delete a file in {bucket.bucket}"))
            return
        settings = client.settings.model_copy(update={"bucket": bucket.bucket})
        try:
            await build_aws_storage(settings, client, self._ground.transport).probe()
        except ProviderError as error:
            self._report.tell(Step("storage", "failed", str(error), storage_advice(error)))
            return
        self._report.tell(Step("storage", "done", "written, read and deleted a file"))

    # ------------------------------------------------------------------------------------------- configuration

    def _write(self, things: Everything, found: Found, *, split: bool) -> None:
        file = self._ground.config
        if self._wishes.dry_run:
            self._report.tell(Step("configuration", "planned", f"would write region, bucket and group to {file}"))
            return
        if self._failed:
            return
        wanted = found.wanted
        changes: dict[str, str | None] = {"aws.region": wanted.region, "aws.bucket": wanted.bucket}
        if split:
            changes[SPLIT_KEY] = found.account
        if things.security_group.id is not None:
            changes["aws.security_group"] = things.security_group.id
        if self._ground.origins.get("aws.alarm_email", "").startswith("--"):
            changes["aws.alarm_email"] = self._settings.aws.alarm_email
        tell_configuration(self._report, self._ground, changes)

    @property
    def _failed(self) -> bool:
        return any(step.state == "failed" for step in self._report.steps)


def tell_configuration(report: Report, ground: Ground, changes: Changes) -> None:
    """Write settings into the file and say so. Raises ConfigError."""
    saved = apply_to(ground.config, changes)
    detail = f"written to {ground.config}" if saved else f"nothing to change in {ground.config}"
    report.tell(Step("configuration", "done" if saved else "unchanged", detail))


def storage_advice(error: ProviderError) -> str:
    """Return what to do when the bucket is there and a file cannot be written, read and deleted in it."""
    if isinstance(error, Denied):
        return f"{RIGHTS}; no policy of the bucket may deny it either"
    if isinstance(error, KeyWrong):
        return "renew the access key, and check aws.profile"
    if isinstance(error, ClockWrong):
        return "set this computer's clock: no signature holds with a wrong one"
    if isinstance(error, RegionWrong):
        return "set aws.region to where the bucket is"
    if isinstance(error, NotFound):
        return "lastcall setup aws makes the bucket; or set aws.bucket to one that is there"
    return "try again; if it stays so, see whether S3 is up"


def _advice(error: ProviderError) -> str:
    if isinstance(error, Elsewhere):
        return f"set aws.region to {error.region}, or {OTHER_BUCKET}"
    if isinstance(error, Foreign):
        return f"{OTHER_BUCKET}; where it is this account's, {RIGHTS}" if error.right else OTHER_BUCKET
    if isinstance(error, Unavailable):
        return AGAIN
    return RIGHTS if isinstance(error, Refused) and error.right else LINE
