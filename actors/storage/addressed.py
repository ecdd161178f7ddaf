"""Data sets from files that lie in the store already, named by address: ``runpod://…``, ``s3://…``.

Whether a user may name a file is decided before the store hears of it. A file that may be read is brought near and goes
the way of an upload from there: looked at, copied under a key of ours, and made visible by one event.
"""

from __future__ import annotations

from contextlib import suppress

from actors.storage.access import Area, Denied, Granted, Layout, Reason, decide_access
from actors.storage.catalogue import DATASET_FROM
from actors.storage.datasets import DatasetService
from actors.storage.locks import NamedLocks, Room
from actors.storage.parts import StorageParts
from actors.storage.reading import bring
from actors.storage.records import accept_command, body_digest, dataset_record, earlier_answer
from actors.storage.references import checked_label, not_found
from messages.admin import AddFromAddress, CommitUpload, UploadGrant
from messages.errors import Refusal
from messages.ids import DatasetId, UserId
from messages.storage import DatasetInfo, ObjectInfo
from providers.interface import CloudStorageProvider, NotFound, ProviderError


class AddressedDatasets:
    """Makes data sets of addresses. Raises Refusal, and what store and journal raise."""

    def __init__(self, parts: StorageParts, datasets: DatasetService) -> None:
        self._parts = parts
        self._datasets = datasets
        self._commands = NamedLocks()
        self._room = Room(parts.settings.fetches_at_once, parts.settings.waiting_max)

    async def add(self, msg: AddFromAddress) -> DatasetInfo:
        """Keep a copy of the file as a data set; the same command again gives the same one.

        Raises ``E-KEY`` for what is no address of the requester's own files here, ``E-NOTFOUND`` for no file.
        """
        parts, user = self._parts, msg.requester.user_id
        source, access = self._decided(user, msg.address)
        name = checked_label(access.rest[-1] if msg.name is None else msg.name)
        dataset = DatasetId.derived("address", user, msg.command_id)
        async with self._commands.held(msg.command_id):
            digest = body_digest(msg)
            if await earlier_answer(parts.journal, msg.command_id, digest) is None:
                await accept_command(parts.journal, msg, DATASET_FROM, digest, dataset)
            elif (kept := await dataset_record(parts.journal, dataset)) is not None:
                if kept.removed:
                    raise not_found("data set")
                return kept.info
            async with self._room.entered():
                return await self._fetched(msg, source, access, name, dataset)

    def _decided(self, user: UserId, address: str) -> tuple[StorageParts, Granted]:
        """Return whose store an address is of, and the key in it. Raises Refusal ``E-KEY``."""
        for other in self._parts.others.values():
            with suppress(Refusal):
                return other, decide_address(other.layout, user, address)
        return self._parts, decide_address(self._parts.layout, user, address)

    async def _fetched(
        self, msg: AddFromAddress, source: StorageParts, access: Granted, name: str, dataset: DatasetId
    ) -> DatasetInfo:
        parts, requester = self._parts, msg.requester
        key, bytes_max = parts.layout.incoming_key(requester.user_id, dataset), parts.settings.upload_bytes_max
        try:
            stored = await self._brought(source.store, access.key, key, bytes_max)
            grant = UploadGrant(dataset_id=dataset, key=key, bytes_max=bytes_max)
            return await self._datasets.commit(
                CommitUpload(command_id=msg.command_id, requester=requester, grant=grant, name=name, stored=stored)
            )
        except BaseException:
            with suppress(ProviderError):  # what stays is swept at the next start
                await parts.incoming.delete(key)
            raise

    async def _brought(self, store: CloudStorageProvider, source: str, target: str, bytes_max: int) -> ObjectInfo:
        """Bring a file of at most ``bytes_max`` to where uploads arrive."""
        parts = self._parts
        try:
            found = await store.stat(source)
            if found.size_bytes > bytes_max:
                raise Refusal("E-TOOLARGE", f"a data set has at most {bytes_max} bytes")
            size, sha256 = await bring(store, source, parts.incoming, target)
        except NotFound:
            raise Refusal("E-NOTFOUND", "there is no file at this address") from None
        return ObjectInfo(key=target, size_bytes=size, modified=found.modified, sha256=sha256)


def decide_address(layout: Layout, user: UserId, address: str) -> Granted:
    """Return the key behind an address that ``user`` may read. Raises Refusal ``E-KEY`` with what would be one."""
    access = decide_access(layout, user, address)
    if isinstance(access, Granted) and "://" not in address:
        access = Denied(Reason.SCHEME, "an address begins with runpod:// or s3://")
    if isinstance(access, Granted):
        return access
    raise Refusal("E-KEY", f"{access.detail}; {_own(layout, user)}")


def _own(layout: Layout, user: UserId) -> str:
    places = {"runpod": layout.volume, "s3": layout.bucket}
    place = next((f"{scheme}://{name}" for scheme, name in places.items() if name is not None), None)
    if place is None:
        return "this provider's store has no addresses: give a file"
    return f"your files are those below {place}/{layout.home(Area.DATASETS, user)}/"
