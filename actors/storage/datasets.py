"""Data sets: streamed to a place of their own, looked at, then made visible by one event."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Final

from actors.journal.interface import JournalUnavailable
from actors.storage import elsewhere
from actors.storage.access import Granted, decide_access
from actors.storage.audit import who_of
from actors.storage.catalogue import DATASET_REMOVE, Removal
from actors.storage.comparing import last_run
from actors.storage.elsewhere import Located
from actors.storage.holds import DatasetHolds, JobsUsing
from actors.storage.inspection import Check, Inspector
from actors.storage.locks import NamedLocks
from actors.storage.parts import StorageParts
from actors.storage.reading import bring, digest, put_bytes
from actors.storage.records import (
    Kept,
    accept_command,
    append_once,
    append_removed,
    body_digest,
    dataset_record,
    earlier_answer,
)
from actors.storage.references import checked_label, choose, not_found
from actors.storage.staging import staged_for
from messages.admin import (
    AbandonUpload,
    BeginUpload,
    BringDataset,
    CheckedTraining,
    CheckTraining,
    CommitUpload,
    DownloadGrant,
    HoldDataset,
    ReadDataset,
    RemoveDataset,
    UploadGrant,
)
from messages.errors import Refusal
from messages.events import DatasetAdded, DatasetRemoved
from messages.ids import CommandId, DatasetId, UserId
from messages.storage import DatasetInfo, Profile
from providers.interface import NotFound, ProviderError, Unavailable

TOLD_USD: Final = Decimal("0.01")
"""What reading a data set for a plan costs is said in the plan from here on; below it is only booked."""


class DatasetService:
    """Everything about data sets. Raises Refusal, and what store and journal raise."""

    def __init__(self, parts: StorageParts, jobs_using: JobsUsing, staged: NamedLocks) -> None:
        self._parts = parts
        self._holds = DatasetHolds(parts.world.clock, jobs_using, parts.settings.hold_s)
        self._inspector = Inspector(parts.world.spawner, parts.settings)
        self._locks = NamedLocks()
        self._staged = staged

    # -------------------------------------------------------------------------------------------- adding

    async def begin(self, msg: BeginUpload) -> UploadGrant:
        """Name the place to stream to; the same command names the same place."""
        checked_label(msg.name)
        bytes_max = self._parts.settings.upload_bytes_max
        if msg.size_bytes is not None and msg.size_bytes > bytes_max:
            raise Refusal("E-TOOLARGE", f"a data set has at most {bytes_max} bytes")
        user = msg.requester.user_id
        dataset = DatasetId.derived("upload", user, msg.command_id)
        key = self._parts.layout.incoming_key(user, dataset)
        return UploadGrant(dataset_id=dataset, key=key, bytes_max=bytes_max)

    async def commit(self, msg: CommitUpload) -> DatasetInfo:
        """Look at what was streamed and keep it, or refuse and delete it. Repeating it gives the same data set."""
        user, grant = msg.requester.user_id, msg.grant
        self._check_grant(user, grant)
        try:
            name = checked_label(msg.name)
            async with self._staged.held(grant.dataset_id):
                known = await self._known(user, grant.dataset_id, name, msg.stored.sha256)
                info = known or await self._keep(msg, name, await self._looked_at(msg))
        except Refusal:
            await self._forget_incoming(grant.key)
            raise
        await self._forget_incoming(grant.key)
        return info

    async def abandon(self, msg: AbandonUpload) -> None:
        """Delete what was streamed for a grant, of a data set or of rows to predict, that will not be used."""
        staged = staged_for(self._parts.layout, msg.requester.user_id, msg.grant.key)
        if staged is None:
            raise Refusal("E-KEY", "not a place that was given to stream to")
        async with self._staged.held(staged):
            await self._parts.incoming.delete(msg.grant.key)

    def _check_grant(self, user: UserId, grant: UploadGrant) -> None:
        if grant.key != self._parts.layout.incoming_key(user, grant.dataset_id):
            raise Refusal("E-KEY", "not a place this upload was given")

    async def _known(self, user: UserId, dataset: DatasetId, name: str, sha256: str | None) -> DatasetInfo | None:
        """Return the data set when this very upload was committed before."""
        kept = await dataset_record(self._parts.journal, dataset)
        if kept is None:
            return None
        if kept.removed or kept.info.user_id != user:
            raise not_found("data set")
        if kept.info.name != name or sha256 not in (None, kept.info.sha256):
            raise Refusal("E-IDEMPOTENCY", "this upload was committed with other content")
        return kept.info

    async def _looked_at(self, msg: CommitUpload) -> Profile:
        """Return the profile of exactly the bytes that were streamed."""
        incoming, grant = self._parts.incoming, msg.grant
        try:
            found = await incoming.stat(grant.key)
        except NotFound:
            raise Refusal("E-BADREQUEST", "nothing was streamed") from None
        if found.size_bytes > self._parts.settings.upload_bytes_max:
            raise Refusal("E-TOOLARGE", f"a data set has at most {self._parts.settings.upload_bytes_max} bytes")
        profile = (await self._inspector.look(incoming.machine_path(grant.key), found.size_bytes)).profile
        if profile is None or {profile.size_bytes, found.size_bytes} != {msg.stored.size_bytes}:
            raise Refusal("E-BADREQUEST", "the stored file is not as long as what was streamed")
        if msg.stored.sha256 not in (None, profile.sha256):
            raise Refusal("E-BADREQUEST", "the stored file is not what was streamed")
        return profile

    async def _keep(self, msg: CommitUpload, name: str, profile: Profile) -> DatasetInfo:
        parts, user, dataset = self._parts, msg.requester.user_id, msg.grant.dataset_id
        async with self._locks.held(user):
            twin = await parts.catalogue.same_dataset(user, name, profile.sha256)
            if twin is not None:
                await self._copy_of(twin, msg.grant.key)
                return twin
            key = parts.layout.dataset_key(user, dataset)
            brought = await bring(parts.incoming, msg.grant.key, parts.store, key)
            if brought != (profile.size_bytes, profile.sha256):
                await parts.store.delete(key)
                raise Unavailable("the copy differs from what was streamed")
            if parts.incoming is not parts.store:
                with suppress(ProviderError):  # spares fetching it for the plan; without it, it is fetched
                    await parts.near.keep(msg.grant.key, key)
            info = DatasetInfo(
                id=dataset,
                user_id=user,
                name=name,
                key=key,
                size_bytes=profile.size_bytes,
                sha256=profile.sha256,
                added=parts.world.clock.now(),
                profile=profile,
                provider=parts.kind,
            )
            try:
                event = DatasetAdded(dataset=info)
                if await append_once(parts.journal, f"dataset/{dataset}", event, msg.command_id):
                    return info
            except JournalUnavailable:
                await self._forget(key)
                raise
        return await self._known(user, dataset, name, profile.sha256) or info

    async def _copy_of(self, twin: DatasetInfo, incoming: str) -> None:
        """Keep what was streamed as the copy here of a data set that lies elsewhere: it need not be copied then."""
        parts = self._parts
        if twin.provider in (None, parts.kind):
            return
        with suppress(ProviderError):  # it stays where it is, and is copied when it is used
            if await bring(parts.incoming, incoming, parts.store, twin.key) != (twin.size_bytes, twin.sha256):
                await parts.store.delete(twin.key)

    async def _forget(self, key: str) -> None:
        """Delete a file of ours, and every copy; what stays is swept at the next start."""
        for parts in (self._parts, *self._parts.others.values()):
            with suppress(ProviderError):
                await parts.store.delete(key)
            if parts.incoming is not parts.store:
                with suppress(ProviderError):
                    await parts.incoming.delete(key)

    async def _forget_incoming(self, key: str) -> None:
        """Delete what was streamed or asked; one that stays is swept at the next start."""
        with suppress(ProviderError):
            await self._parts.incoming.delete(key)

    # -------------------------------------------------------------------------------------------- reading

    async def all(self, user: UserId) -> tuple[DatasetInfo, ...]:
        """Return the user's data sets, newest first."""
        return tuple(await self._parts.catalogue.datasets(user, self._parts.settings.list_max))

    async def find(self, user: UserId, ref: str) -> DatasetInfo:
        """Return the one data set that ``ref`` means."""
        return choose(ref, await self._parts.catalogue.datasets_called(user, ref), "data set")

    async def read(self, msg: ReadDataset) -> DownloadGrant:
        """Permit streaming a data set's bytes, paid for first where its store charges. Raises ``E-BUDGET``."""
        user = msg.requester.user_id
        info = await self.find(user, msg.ref)
        found = await self._located(user, info)
        await elsewhere.pay_download(self._parts, found.parts, found.stored.size_bytes, user, info.name)
        return DownloadGrant(
            key=info.key, size_bytes=found.stored.size_bytes, name=info.name, provider=found.parts.kind
        )

    async def check(self, msg: CheckTraining) -> CheckedTraining:
        """Look at a data set with a target in mind."""
        user, order, parts = msg.requester.user_id, msg.order, self._parts
        info = await self.find(user, order.dataset)
        found = await self._located(user, info)
        question = parts.layout.question_key(user, DatasetId.random(parts.world.entropy.bytes(8)))
        body = {
            "target": order.target,
            "features": order.features,
            "model": order.model,
            "task": order.task,
            "parameters": order.parameters,
            "group": order.group,
            "time": order.time,
        }
        try:
            paid_usd = await elsewhere.pay_near(
                parts, found.parts, {info.key: found.stored.size_bytes}, user, info.name, f"{info.id}:{question}"
            )
            await put_bytes(parts.incoming, question, json.dumps(body).encode())
            check = await self._checked(info, found, question)
        finally:
            await self._forget_incoming(question)
        last = await last_run(parts.catalogue, user, info.id, order.target)
        checked = CheckedTraining(dataset=info, last_run=last, **check.model_dump())
        if paid_usd >= TOLD_USD:
            paid = elsewhere.dollars(found.parts.store, paid_usd)
            said = f"Reading the data set out of {found.parts.kind} for this plan cost {paid}."
            checked = checked.model_copy(update={"warnings": (*checked.warnings, said)})
        if found.parts is parts:
            return checked
        said = f"The data set is {elsewhere.words(found.parts, found.stored.size_bytes)}."
        return checked.model_copy(update={"copied_from": found.parts.kind, "warnings": (*checked.warnings, said)})

    async def bring(self, msg: BringDataset) -> None:
        """Have a data set's bytes in the store that a job's machine reads from."""
        parts, user = self._parts, msg.requester.user_id
        kept = await dataset_record(parts.journal, msg.dataset_id)
        if kept is None or kept.removed or kept.info.user_id != user:
            raise not_found("data set")
        info, target = kept.info, parts.at(msg.provider)
        if await elsewhere.has(target, info.key, info.size_bytes):
            return
        source = (await self._located(user, info)).parts
        await elsewhere.pay(parts, source, info.size_bytes, user, info.name, f"{info.id}:{msg.job_id}")
        copied = await elsewhere.copy(source, target, info.key, info.size_bytes, info.sha256)
        if copied:
            who, detail = who_of(msg.requester), elsewhere.words(source, copied)
            await parts.audit.record(who, "dataset.copy", info.id, detail=detail)

    async def _checked(self, info: DatasetInfo, found: Located, question: str) -> Check:
        """Ask the inspection program; a copy here that turns out to be damaged is brought anew, once (fault 40)."""
        try:
            return await self._asked(info, found, question)
        except Refusal as refusal:
            if refusal.code == "E-BUSY" or await self._is_copy_good(info, found.parts):
                raise
        await found.parts.near.forget(info.key)
        return await self._asked(info, found, question)

    async def _asked(self, info: DatasetInfo, found: Located, question: str) -> Check:
        path = await found.parts.near.fetch(info.key)
        report = await self._inspector.look(path, found.stored.size_bytes, self._parts.incoming.machine_path(question))
        if report.profile is None or report.check is None or report.profile.sha256 != info.sha256:
            raise Refusal("E-ARTIFACT", "the data set is not as it was added")
        return report.check

    async def _is_copy_good(self, info: DatasetInfo, parts: StorageParts) -> bool:
        """Say whether the copy here is what was added; where nothing is copied, there is no other to be had."""
        if parts.incoming is parts.store:
            return True
        with suppress(NotFound):
            return await digest(parts.incoming, info.key) == (info.size_bytes, info.sha256)
        return False

    async def _located(self, user: UserId, info: DatasetInfo) -> Located:
        if not isinstance(decide_access(self._parts.layout, user, info.key), Granted):
            raise Refusal("E-KEY")
        found = await elsewhere.locate(self._parts, info.provider, info.key, info.name)
        if found is None:
            raise Refusal("E-ARTIFACT", "the data set's bytes are not in storage")
        return found

    # -------------------------------------------------------------------------------------------- removing

    async def hold(self, msg: HoldDataset) -> None:
        """Keep a data set from being removed until the job is journaled."""
        if not self._holds.take(msg.dataset_id, msg.job_id):
            raise not_found("data set")
        kept = await dataset_record(self._parts.journal, msg.dataset_id)
        if kept is None or kept.removed:
            self._holds.drop(msg.dataset_id, msg.job_id)
            raise not_found("data set")

    async def remove(self, msg: RemoveDataset) -> DatasetInfo:
        """Remove a data set no open job needs. The event comes first: bytes that stay are swept at the next start."""
        journal, user, digest = self._parts.journal, msg.requester.user_id, body_digest(msg)
        async with self._locks.held(user):
            earlier = await earlier_answer(journal, msg.command_id, digest)
            dataset = DatasetId(earlier) if earlier else (await self.find(user, msg.ref)).id
            with self._holds.removing(dataset):
                kept = await dataset_record(journal, dataset)
                if kept is None or kept.info.user_id != user:
                    raise not_found("data set")
                if not kept.removed:
                    await self._holds.refuse_in_use(dataset)
                    if earlier is None:
                        await accept_command(journal, msg, DATASET_REMOVE, digest, dataset)
                    await self._end(kept, msg.command_id)
                await self._forget(kept.info.key)
        return kept.info

    async def finish(self, removal: Removal) -> None:
        """Do what an accepted removal left undone, unless a job needs the data set now."""
        dataset = DatasetId(removal.target)
        with self._holds.removing(dataset), suppress(Refusal):
            await self._holds.refuse_in_use(dataset)
            kept = await dataset_record(self._parts.journal, dataset)
            if kept is not None and not kept.removed:
                await self._end(kept, removal.command)

    async def _end(self, kept: Kept[DatasetInfo], command: CommandId) -> None:
        event = DatasetRemoved(dataset_id=kept.info.id, by=kept.info.user_id)
        await append_removed(self._parts.journal, f"dataset/{kept.info.id}", kept.version, event, command)
