"""Whose account answers: STS says it, in the region that is configured (design.md 6)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from providers.aws.client import Call, Client
from providers.gate import Priority
from providers.interface import Unavailable
from providers.shared import Shared

FRESH_S: Final = 60.0
"""A proof needs the account confirmed in the same minute (design.md 6)."""
OTHER: Final = "aws:another account"
"""What a listing carries that shows another account's machines than STS spoke of."""


class Who(NamedTuple):
    """Whose key it is."""

    account: str
    arn: str


class Account:
    """Confirms the account, once for all who need it at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._looks = Shared(client.clock, self._look, "aws account")
        self._last: Who | None = None

    def named(self, account: str) -> str:
        """Return the fingerprint of an account in this region: machines elsewhere are never seen from here."""
        return f"aws:{account}:{self._client.settings.region}"

    @property
    def last(self) -> str | None:
        """The fingerprint as last confirmed, however long ago."""
        return self.named(self._last.account) if self._last else None

    async def confirm(self) -> str:
        """Return the fingerprint, asked for anew. Raises Refused for a key that does not hold, Unavailable."""
        return self.named((await self._looks.anew()).account)

    async def fresh(self) -> str:
        """Return the fingerprint, read within the last minute. Raises like ``confirm``."""
        return self.named((await self.who()).account)

    async def known(self) -> str:
        """Return the fingerprint, asked for only where it never was. Raises like ``confirm``."""
        return self.last or await self.confirm()

    async def who(self) -> Who:
        """Return whose key it is, read within the last minute. Raises like ``confirm``."""
        return await self._looks.begun_since(self._client.clock.monotonic() - FRESH_S)

    async def close(self) -> None:
        """End a look that is out."""
        await self._looks.close()

    async def _look(self) -> Who:
        """Ask as urgently as for a listing: without the account no listing is evidence."""
        call = Call("sts", "GetCallerIdentity", priority=Priority.LIST)
        said = await self._client.read(call, "whose account this is")
        account, arn = said.get("Account"), said.get("Arn")
        if not isinstance(account, str) or not re.fullmatch(r"[0-9]{12}", account):
            raise Unavailable("STS's answer about the account could not be read")
        self._last = Who(account, arn if isinstance(arn, str) else "")
        return self._last
