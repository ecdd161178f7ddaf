"""One thing an account holds: looked at, made, put right until a look finds nothing amiss, and removed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from providers.aws.client import Call, Client
from providers.aws.codec import read_tags
from providers.aws.resources.wanted import MARK, Wanted
from providers.interface import Conflict, NotFound, Unavailable

ROUNDS_MAX: Final = 8
"""Looks until a thing must be as wanted. IAM and S3 may answer with the state before a change for some seconds."""
LOOKS_MAX: Final = 4
"""How often a busy service is asked for one look."""
PAUSE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as wanted."""

    what: str
    """In words: what it is, not what it should be."""
    put_right: Callable[[], Awaitable[object]] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Look:
    """What was found."""

    there: bool
    mark: str | None = None
    """Bucket of the Lastcall it was made for; ``None``: no setup made it."""
    differences: tuple[Difference, ...] = ()

    @property
    def amiss(self) -> str:
        """What is not as wanted, one line."""
        return "; ".join(one.what for one in self.differences)


NOT_THERE: Final = Look(there=False)


class Resource(ABC):
    """One thing. ``look`` changes nothing; the rest may be repeated."""

    name: str
    """As steps and findings call it."""

    def __init__(self, client: Client, wanted: Wanted) -> None:
        self.client = client
        self.wanted = wanted

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is called in the account, with what it is good for."""

    @abstractmethod
    async def look(self) -> Look:
        """Return what is there. Raises Refused or Unavailable."""

    @abstractmethod
    async def create(self) -> None:
        """Make it, marked as ours; what differs then is put right by itself. Raises Conflict where there is one."""

    async def claim(self) -> bool:
        """Mark what was made without its mark; return whether that is a call of its own. Raises like ``look``."""
        return False

    @abstractmethod
    async def remove(self) -> None:
        """Remove it; gone already is success."""

    def is_ours(self, found: Look) -> bool:
        """Say whether a setup of this Lastcall made it."""
        return found.mark == self.wanted.bucket

    async def do(self, service: str, operation: str, what: str, **parameters: object) -> dict[str, Any]:
        """Make one call. Raises NotFound, Conflict, Refused or Unavailable."""
        return await self.client.read(Call(service, operation, parameters), what)

    async def found(self, service: str, operation: str, what: str, **parameters: object) -> dict[str, Any] | None:
        """Return what is there, ``None`` for what is not. Raises Refused or Unavailable."""
        try:
            return await self.do(service, operation, what, **parameters)
        except NotFound:
            return None

    async def drop(self, service: str, operation: str, what: str, **parameters: object) -> None:
        """Remove something; gone already is success. Raises Refused or Unavailable."""
        await self.found(service, operation, what, **parameters)

    @property
    def mark(self) -> dict[str, str]:
        """The tag of what this Lastcall's setup made."""
        return {MARK: self.wanted.bucket}

    @property
    def tags(self) -> list[dict[str, str]]:
        """The mark as most services write it."""
        return [{"Key": key, "Value": value} for key, value in self.mark.items()]


async def see(resource: Resource) -> Look:
    """Look, again and again for a while where AWS is busy. Raises Refused or Unavailable."""
    for _ in range(LOOKS_MAX - 1):
        try:
            return await resource.look()
        except Unavailable as error:
            await resource.client.clock.sleep(min(error.retry_after_s, PAUSE_S))
    return await resource.look()


async def settle(resource: Resource, found: Look) -> Look:
    """Make or put right until a look finds nothing amiss, and return that look. Raises Refused or Unavailable."""
    trouble, asked = f"{resource.title} is still not as wanted", False
    for _ in range(ROUNDS_MAX):
        unmarked = asked and found.there and found.mark is None
        if found.there and not found.differences and not unmarked:
            return found
        try:
            if not found.there:
                asked = True
                await resource.create()
            if unmarked:  # it was there already and not shown, or the service takes no tags with a create
                asked = await resource.claim()
            for one in found.differences:
                await one.put_right()
        except Conflict:
            pass  # made meanwhile, or not shown yet
        except (NotFound, Unavailable) as error:  # not everywhere yet, or busy: the next look tells
            trouble = str(error)
            await resource.client.clock.sleep(PAUSE_S)
        try:
            again = await resource.look()
        except Unavailable as error:
            trouble = str(error)
            await resource.client.clock.sleep(PAUSE_S)
            continue
        if again == found:
            await resource.client.clock.sleep(PAUSE_S)
        found = again
    if found.there and not found.differences:
        return found
    raise Unavailable(f"{trouble}: {found.amiss}" if found.amiss else trouble)


def mark_of(tags: object) -> str | None:
    """Return the mark among tags, written as a list or a mapping."""
    plain = tags if isinstance(tags, Mapping) else read_tags(tags)
    value = plain.get(MARK)
    return value if isinstance(value, str) else None


def text_at(value: Mapping[str, Any] | None, *path: str) -> str | None:
    """Return the text at a path in an answer, ``None`` where there is none."""
    inner: Any = value
    for name in path:
        inner = inner.get(name) if isinstance(inner, Mapping) else None
    return inner if isinstance(inner, str) and inner else None


def list_at(value: Mapping[str, Any] | None, name: str) -> list[Mapping[str, Any]]:
    """Return the mappings in a list of an answer."""
    items = value.get(name) if value is not None else None
    return [one for one in items if isinstance(one, Mapping)] if isinstance(items, list) else []
