"""The access key that requests are signed with: a fixed one, or what botocore's chain finds.

The chain knows environment, profiles, SSO, roles to assume and the instance's own role. Finding and refreshing may read
files and call services, so both happen in a thread; a key that holds for a while longer is given out at once.
"""

from __future__ import annotations

from typing import Any, Protocol

import botocore.exceptions
import botocore.session

from providers.aws.settings import Keys
from providers.interface import Refused, Unavailable
from providers.s3.sign import Credentials
from providers.worker import Worker

HOW = "set aws.profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


class KeySource(Protocol):
    """Gives the access key of the moment."""

    async def now(self) -> Credentials:
        """Return it. Raises Refused where there is none, Unavailable where it could not be renewed."""
        ...

    def forget(self) -> None:
        """Say that AWS did not take the last one: the next one is read anew."""
        ...

    async def close(self) -> None:
        """Let go of the thread."""
        ...


def key_source(keys: Keys | None, profile: str | None) -> KeySource:
    """Return where the key comes from; nothing is read yet."""
    return Fixed(keys) if keys is not None else Chain(profile)


class Fixed:
    """A key that stays."""

    def __init__(self, keys: Keys) -> None:
        token = keys.session_token
        self._credentials = Credentials(
            keys.access_key, keys.secret_key.get_secret_value(), token.get_secret_value() if token else None
        )

    async def now(self) -> Credentials:
        """Return it."""
        return self._credentials

    def forget(self) -> None:
        """It is the only one there is."""

    async def close(self) -> None:
        """Nothing is held."""
        return


class Chain:
    """What botocore finds, renewed when it is about to expire."""

    def __init__(self, profile: str | None, worker: Worker | None = None) -> None:
        self._profile = profile
        self._worker = worker or Worker("aws-keys")
        self._found: Any = None
        self._last: Credentials | None = None

    async def now(self) -> Credentials:
        """Return a key that holds; files are read again when the last one has run out."""
        found = self._found
        if self._last is not None and not _needs_refresh(found):
            return self._last
        self._last = await self._worker.call(self._read)
        return self._last

    def forget(self) -> None:
        """Begin with the chain anew: a key that was written into a file by hand may be another one now."""
        self._found = self._last = None

    async def close(self) -> None:
        """End the thread."""
        await self._worker.close()

    def _read(self) -> Credentials:
        try:
            if self._found is None:
                self._found = botocore.session.Session(profile=self._profile).get_credentials()
            if self._found is None:
                raise Refused(f"there are no AWS credentials: {HOW}")
            frozen = self._found.get_frozen_credentials()
        except botocore.exceptions.ProfileNotFound as error:
            raise Refused(f"{error}: {HOW}") from error
        except (botocore.exceptions.SSOError, botocore.exceptions.CredentialRetrievalError) as error:
            raise Refused(f"the AWS credentials cannot be renewed: {error}; sign in again") from error
        except botocore.exceptions.BotoCoreError as error:
            raise Unavailable(f"the AWS credentials cannot be had: {error}") from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def _needs_refresh(found: Any) -> bool:
    """Fixed keys of a profile never do."""
    ask = getattr(found, "refresh_needed", None)
    return bool(ask()) if ask is not None else False
