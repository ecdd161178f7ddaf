"""The calls under /v2/network-volumes (fact sheet 5.1). What volumes hold is in ``volume.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.emulators.runpod.auth import Caller
from tests.emulators.runpod.catalogue import Catalogue
from tests.emulators.runpod.ledger import Kind, Ledger, network_volume_rate
from tests.emulators.runpod.podbody import require
from tests.emulators.runpod.problems import Problem, document, empty, not_found
from tests.emulators.runpod.validate import integer, record, string
from tests.emulators.runpod.volume import Files, MemoryFiles, Volume, Volumes
from tests.emulators.runpod.wire import Response

SIZE = integer(minimum=10, maximum=4096)
CREATE = record(
    {
        "dataCenter": string(min_length=1),
        "name": string(min_length=1),
        "size": SIZE,
        "type": string(one_of=("STANDARD", "HIGH_PERFORMANCE")),
    },
    ("name", "size", "dataCenter"),
)
CHANGE = record({"name": string(min_length=1), "size": SIZE}, min_properties=1)
FilesOf = Callable[[str], Files]
"""Makes the store of the volume with this id."""


def in_memory(volume_id: str) -> Files:
    """Return a store that lives as long as the platform."""
    return MemoryFiles()


class VolumesApi:
    """Answers the calls about network volumes."""

    def __init__(
        self,
        volumes: Volumes,
        catalogue: Catalogue,
        ledger: Ledger,
        new_id: Callable[[int], str],
        files_of: FilesOf = in_memory,
    ) -> None:
        self._volumes = volumes
        self._catalogue = catalogue
        self._ledger = ledger
        self._new_id = new_id
        self._files_of = files_of

    def add(self, account: str, body: Any, now: float, volume_id: str | None = None) -> Volume:
        """Make a volume. Raises Problem 422 on a bad body, 400 where none can be made."""
        require(CREATE, body)
        tier = body.get("type", "STANDARD")
        place = self._catalogue.place(body["dataCenter"])
        if place is None or tier not in place.volumes:
            every = [one for one in self._catalogue.places() if tier in self._catalogue.volume_tiers(one)]
            raise Problem(400, f"data center '{body['dataCenter']}' is not supported, use one of: {', '.join(every)}")
        made = volume_id or self._new_id(10)
        volume = Volume(made, account, place.id, body["size"], self._files_of(made), body["name"], tier, now)
        self._volumes.add(volume)
        self._charge(volume, now)
        return volume

    def list_volumes(self, caller: Caller) -> Response:
        """Answer GET /v2/network-volumes."""
        return document(200, {"networkVolumes": [_shown(one) for one in self._volumes.list(caller.account)]})

    def create(self, body: Any, caller: Caller, now: float) -> Response:
        """Answer POST /v2/network-volumes."""
        return document(201, _shown(self.add(caller.account, body, now)))

    def get(self, volume_id: str, caller: Caller) -> Response:
        """Answer GET /v2/network-volumes/{id}."""
        return document(200, _shown(self._own(volume_id, caller)))

    def patch(self, volume_id: str, body: Any, caller: Caller, now: float) -> Response:
        """Answer PATCH /v2/network-volumes/{id}: a volume only grows."""
        volume = self._own(volume_id, caller)
        require(CHANGE, body)
        if body.get("size", volume.size_gb) < volume.size_gb:
            raise Problem(400, "a network volume cannot shrink")
        changed = replace(volume, size_gb=body.get("size", volume.size_gb), name=body.get("name", volume.name))
        self._volumes.replace(changed)
        self._charge(changed, now)
        return document(200, _shown(changed))

    def delete(self, volume_id: str, caller: Caller, now: float) -> Response:
        """Answer DELETE /v2/network-volumes/{id}."""
        self._own(volume_id, caller)
        self._volumes.remove(volume_id)
        self._ledger.charge(caller.account, volume_id, {}, now)
        return empty()

    def _own(self, volume_id: str, caller: Caller) -> Volume:
        volume = self._volumes.get(volume_id)
        if volume is None or volume.account != caller.account:
            raise not_found("network volume")
        return volume

    def _charge(self, volume: Volume, now: float) -> None:
        rates = {Kind.NETWORK_VOLUME: network_volume_rate(volume.size_gb)}
        self._ledger.charge(volume.account, volume.id, rates, now)


def _shown(volume: Volume) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size_gb,
        "dataCenter": volume.data_center,
        "type": volume.tier,
    }
