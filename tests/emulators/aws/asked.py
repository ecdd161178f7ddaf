"""One EC2 call as the parts that answer it see it; filters and pages."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from tests.emulators.aws.auth import Caller
from tests.emulators.aws.problems import Problem

T = TypeVar("T")
Document = dict[str, Any]
PAGE_MIN, PAGE_MAX = 5, 1000
FILTERS_MAX = 50
VALUES_MAX = 200


@dataclass(frozen=True)
class Asked:
    """One call, read and signed."""

    action: str
    parameters: Mapping[str, Any]
    caller: Caller
    region: str
    now: float

    @property
    def account(self) -> str:
        """Return the account it acts on."""
        return self.caller.account

    @property
    def call(self) -> str:
        """Return the name that faults know it by."""
        return f"ec2.{self.action}"

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter."""
        return self.parameters.get(name, default)

    def arn(self, kind: str, name: str) -> str:
        """Return the resource name of something in this region and account."""
        return f"arn:aws:ec2:{self.region}:{self.account}:{kind}/{name}"


Work = Callable[[Asked], Document]


@dataclass(frozen=True)
class Call:
    """How one action is answered."""

    work: Work
    takes: tuple[str, ...] = ()
    """Parameters this emulator honours; one that AWS knows and this does not is refused, never ignored."""


def filtered(asked: Asked, things: Sequence[T], facts: Callable[[T], Mapping[str, Sequence[str]]]) -> list[T]:
    """Return what all filters let pass; ``facts`` holds each filter's values of a thing. Raises Problem."""
    filters = asked.get("Filters", ())
    if len(filters) > FILTERS_MAX or any(len(one.get("Values", ())) > VALUES_MAX for one in filters):
        raise Problem("FilterLimitExceeded", "The maximum number of filter values has been exceeded")
    kept = list(things)
    for one in filters:
        name, wanted = one.get("Name", ""), one.get("Values", [])
        kept = [thing for thing in kept if _passes(facts(thing), name, wanted)]
        if not kept and things and not _known(facts(things[0]), name):
            raise Problem("InvalidParameterValue", f"The filter '{name}' is invalid")
    return kept


def tag_facts(tags: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what the tag filters see."""
    return {"tag-key": list(tags), **{f"tag:{key}": [value] for key, value in tags.items()}}


def _known(facts: Mapping[str, Sequence[str]], name: str) -> bool:
    return name in facts or name.startswith("tag:")


def _passes(facts: Mapping[str, Sequence[str]], name: str, wanted: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern.replace("[", "[[]")) for value in facts.get(name, ()) for pattern in wanted)


def page_size(asked: Asked, minimum: int = PAGE_MIN) -> int:
    """Return how many a page holds. Raises Problem."""
    size = asked.get("MaxResults")
    if size is None:
        return PAGE_MAX
    if not minimum <= size <= PAGE_MAX:
        raise Problem(
            "InvalidParameterValue",
            f"Value ( {size} ) for parameter maxResults is invalid. Expecting {minimum} to {PAGE_MAX}.",
        )
    return int(size)


def token_of(asked: Asked, after: int, page: int) -> str:
    """Return the token of the page after number ``after``; it holds for the same filters only."""
    return base64.urlsafe_b64encode(f"{page}.{after}.{_digest(asked)}".encode()).decode()


def token_place(asked: Asked) -> tuple[int, int]:
    """Return the number of the page asked for and of the last thing before it. Raises Problem."""
    token = asked.get("NextToken")
    if not token:
        return 1, 0
    try:
        page, after, digest = base64.urlsafe_b64decode(token.encode()).decode().split(".")
        if digest == _digest(asked):
            return int(page), int(after)
    except ValueError:
        pass
    raise Problem("InvalidNextToken", "The token is not valid for this request")


def _digest(asked: Asked) -> str:
    kept = {name: value for name, value in asked.parameters.items() if name not in ("NextToken", "MaxResults")}
    text = f"{asked.account} {asked.region} {asked.action} {sorted(kept.items(), key=str)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def in_pages(asked: Asked, things: Sequence[T], key: str, show: Callable[[T], Any]) -> Document:
    """Return one page of things, numbered by their place in the list."""
    size = page_size(asked)
    page, after = token_place(asked)
    shown = things[after : after + size]
    more = after + size < len(things)
    document: Document = {key: [show(one) for one in shown]}
    if more:
        document["NextToken"] = token_of(asked, after + size, page + 1)
    return document
