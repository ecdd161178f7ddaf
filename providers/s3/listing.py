"""Listings that can be trusted as far as the store's own answers can: complete, in order, each key once.

Stores of the RunPod kind (fact sheet 5.2) ignore the prefix unless a delimiter is set, say a fresh folder is empty,
send a page or its token twice, list in the order of their disk, and show folders as objects. So a flat listing is
asked first; where it strays or says nothing, the tree is walked folder by folder; what cannot be completed is
``Unavailable``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Final

from providers.interface import Unavailable
from providers.keys import is_key_part
from providers.s3.client import S3Client
from providers.s3.xml import Entry, Page

KEYS_MAX: Final = 100_000
"""Most objects of one listing; they are held in memory to be put in order."""
PAGES_MAX: Final = 2_000
"""Most pages of one folder or flat listing."""
FOLDERS_MAX: Final = 20_000
"""Most folders of one walk."""


class _Astray(Exception):
    """The flat listing shows what was not asked for, or goes in circles."""


async def listing(client: S3Client, prefix: str) -> list[Entry]:
    """Return every object under ``prefix``, ordered by key. Raises Unavailable when the store does not finish."""
    try:
        found = await _flat(client, prefix)
    except _Astray:
        found = {}
    if not found:
        found = await _walk(client, prefix)
    return [found[key] for key in sorted(found)]


async def folders(client: S3Client, prefix: str) -> list[str]:
    """Return the names of the folders right below ``prefix``, which ends in a slash, ordered. Raises Unavailable."""
    names: dict[str, None] = {}
    try:
        async for page in _pages(client, prefix, "/"):
            names.update(dict.fromkeys(inner[len(prefix) : -1] for inner in _folders(page, prefix, prefix)))
            if len(names) > KEYS_MAX:
                raise Unavailable(f"list: more than {KEYS_MAX} folders")
    except _Circle as error:
        raise Unavailable("list: the store repeats itself and does not come to an end") from error
    return sorted(name for name in names if "/" not in name)


async def _flat(client: S3Client, prefix: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    try:
        async for page in _pages(client, prefix, ""):
            _take(found, prefix, page)
            if any(not entry.key.removeprefix("/").startswith(prefix) for entry in page.entries):
                raise _Astray
    except _Circle as error:
        raise _Astray from error
    return found


async def _walk(client: S3Client, prefix: str) -> dict[str, Entry]:
    """Look into one folder after another; the folder that holds the prefix first."""
    found: dict[str, Entry] = {}
    first = prefix[: prefix.rfind("/") + 1]
    todo = [first]
    seen = {first}
    while todo:
        folder = todo.pop()
        try:
            async for page in _pages(client, folder, "/"):
                _take(found, prefix, page)
                for inner in _folders(page, folder, prefix):
                    if inner not in seen:
                        seen.add(inner)
                        todo.append(inner)
        except _Circle as error:
            raise Unavailable("list: the store repeats itself and does not come to an end") from error
        if len(seen) > FOLDERS_MAX:
            raise Unavailable(f"list: more than {FOLDERS_MAX} folders")
    return found


class _Circle(Exception):
    """A continuation came twice, or is missing."""


async def _pages(client: S3Client, prefix: str, delimiter: str) -> AsyncIterator[Page]:
    token: str | None = None
    tokens: set[str] = set()
    for _ in range(PAGES_MAX):
        page = await client.list_page(prefix, delimiter=delimiter, token=token)
        yield page
        if not page.truncated:
            return
        token = page.token
        if token is None or token in tokens:
            raise _Circle
        tokens.add(token)
    raise Unavailable(f"list: more than {PAGES_MAX} pages")


def _take(found: dict[str, Entry], prefix: str, page: Page) -> None:
    for entry in page.entries:
        key = entry.key.removeprefix("/")
        if key.startswith(prefix) and _is_key(key):
            found[key] = entry._replace(key=key)
    if len(found) > KEYS_MAX:
        raise Unavailable(f"list: more than {KEYS_MAX} objects")


def _folders(page: Page, folder: str, prefix: str) -> Iterator[str]:
    """Yield the folders to look into: those below this one that can hold keys of the prefix."""
    for inner in page.folders:
        inner = inner.removeprefix("/")
        below = inner.startswith(folder) and inner != folder and _is_key(inner.removesuffix("/"))
        if below and (inner.startswith(prefix) or prefix.startswith(inner)):
            yield inner


def _is_key(key: str) -> bool:
    """Say whether a name is an object's: not a folder's, not one of the hidden ones where parts are kept."""
    return all(is_key_part(part) for part in key.split("/"))
