"""Whose account answers: the configured network volume, which no other account can read (design.md 6)."""

from __future__ import annotations

from typing import Final

from providers.gate import Priority
from providers.interface import NotFound, ProviderError, Refused, Unavailable
from providers.runpod.client import Call, Client, path_of
from providers.runpod.codec import Volume, read_volume
from providers.shared import Shared

FRESH_S: Final = 60.0
"""A proof needs the account confirmed in the same minute (design.md 6)."""
OTHER: Final = "runpod:another account"
"""What a listing carries when RunPod says clearly that the volume is not this key's."""


class Account:
    """Confirms the account, once for all who need it at a time, and learns where its volume lies."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._looks = Shared(client.clock, self._look, "runpod account")

    @property
    def fingerprint(self) -> str:
        """What the account is called once it is confirmed."""
        return self._client.settings.fingerprint

    async def confirm(self) -> str:
        """Return the fingerprint, asked for anew.

        Raises Refused when RunPod says that the key is not this account's, Unavailable when nothing can be said.
        """
        await self._looks.anew()
        return self.fingerprint

    async def fresh(self) -> str:
        """Return the fingerprint, read within the last minute. Raises like ``confirm``."""
        await self._looks.begun_since(self._client.clock.monotonic() - FRESH_S)
        return self.fingerprint

    async def place(self) -> str:
        """Return the data centre of the volume. Raises like ``confirm``, and Refused when another one is configured."""
        found = await self._looks.begun_since(self._client.clock.monotonic() - FRESH_S)
        configured = self._client.settings.data_center
        if configured and found.place and configured != found.place:
            raise Refused(
                f"the network volume lies in {found.place}, and {configured} is configured: pods need one place"
            )
        place = found.place or configured
        if place is None:
            raise Unavailable("RunPod does not say in which data centre the network volume lies")
        return place

    async def close(self) -> None:
        """End a look that is out."""
        await self._looks.close()

    async def _look(self) -> Volume:
        """Ask for the volume, as urgently as for a listing: without it no listing is evidence."""
        wanted = self._client.settings.volume_id
        call = Call("GET", path_of("network-volumes", wanted), Priority.LIST)
        try:
            found = read_volume(await self._client.read(call, "whose account this is"))
        except (NotFound, Refused) as error:
            raise Refused(f"this key does not reach the network volume {wanted}: {_advice(error)}") from error
        if found is None or found.id != wanted:
            raise Unavailable("RunPod's answer about the network volume could not be read")
        return found


def _advice(error: ProviderError) -> str:
    if isinstance(error, NotFound):
        return "RunPod does not know it under this account; check runpod.api_key and runpod.network_volume_id"
    return f"{error}; check that runpod.api_key is valid and may read"
