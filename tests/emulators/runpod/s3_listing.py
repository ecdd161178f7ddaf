"""Lists of keys, with everything that is odd about them (fact sheet 5.2)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.emulators.runpod.s3_answers import S3Error, document, iso, tag, text
from tests.emulators.runpod.s3_faults import S3Faults
from tests.emulators.runpod.s3_index import Index, Shown
from tests.emulators.runpod.s3_route import Call, Operation
from tests.emulators.runpod.volume import UPLOADS, Files, Stat
from tests.emulators.runpod.wire import Response

PAGE_KEYS_MAX = 1000
LAST_CHARACTER = "\U0010ffff"


@dataclass
class _Page:
    """What one answer shows."""

    shown: list[Shown] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    last: str = ""
    """The last key or common prefix on it."""
    cut: bool = False

    @property
    def count(self) -> int:
        return len(self.shown) + len(self.folders)


class Listings:
    """Answers ListObjects and ListObjectsV2."""

    def __init__(self, index: Index, faults: S3Faults) -> None:
        self._index = index
        self._faults = faults

    def list(self, call: Call) -> Response:
        """ListObjects and ListObjectsV2."""
        query, second = call.query, call.operation is Operation.LIST_V2
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        size = page_size(query.get("max-keys"))
        token = query.get("continuation-token" if second else "marker", "")
        after = (_key_of(token) if token else query.get("start-after", "")) if second else token
        rolled = token != "" and delimiter != "" and after.endswith(delimiter) and len(after) > len(prefix)
        page = self._page(call, prefix, delimiter, after, size, f"{after}{LAST_CHARACTER}" if rolled else after)
        self._spoil(call, page, prefix, delimiter, after)
        going_on = _token(page.last) if second else page.last
        if token and self._faults.list_token_repeated.take(call.occasion):
            page.cut, going_on = True, token
        slow = self._faults.list_slow
        delay_s = slow.number if slow.take(call.occasion) else 0.0
        return document("ListBucketResult", *_fields(call, page, size, going_on), delay_s=delay_s)

    def _page(self, call: Call, prefix: str, delimiter: str, after: str, size: int, start: str) -> _Page:
        page = _Page(last=after)
        if not delimiter and self._faults.list_prefix_ignored.take(call.occasion):
            prefix = ""
        for shown in self._shown(call, prefix, start):
            folder = _folder(shown.key, prefix, delimiter)
            if folder is not None and page.folders[-1:] == [folder]:
                continue
            if page.count == size:
                page.cut = size > 0
                break
            if folder is None:
                page.shown.append(shown)
            else:
                page.folders.append(folder)
            page.last = folder or shown.key
        return page

    def _shown(self, call: Call, prefix: str, after: str) -> Iterator[Shown]:
        stale = self._faults.full.armed(call.occasion)
        behind = self._faults.list_stale
        hidden = not self._faults.list_uploads_shown.take(call.occasion)
        late = behind.take(call.occasion)
        entries = call.volume.files.walk(*(("", "") if late else (prefix, after)))
        shown: Iterator[Shown] = (
            self._index.look(call.volume, entry.key, entry.stat, stale=stale)
            for entry in entries
            if not (hidden and entry.key.startswith(UPLOADS))
        )
        if late:
            then = self._index.as_of(call.volume, shown, call.now - behind.number)
            shown = (one for one in then if one.key.startswith(prefix) and one.key > after)
        return shown

    def _spoil(self, call: Call, page: _Page, prefix: str, delimiter: str, after: str) -> None:
        empty = self._faults.list_empty
        if delimiter and prefix and empty.armed(call.occasion):
            oldest = min((entry.stat.mtime for entry in call.volume.files.walk(prefix)), default=call.now)
            if call.now - oldest < empty.number and empty.take(call.occasion):
                page.shown, page.folders, page.cut = [], [], False
        if page.count and self._faults.list_duplicates.take(call.occasion):
            stat = _at(call.volume.files, after) if after and not after.endswith("/") else None
            if stat is not None:
                page.shown.insert(0, self._index.look(call.volume, after, stat))
            elif page.shown:
                page.shown.insert(0, page.shown[0])
        if prefix.endswith("/") and not page.count and prefix != "/":
            stat = _at(call.volume.files, prefix[:-1])
            if stat is not None and not stat.folder and self._faults.list_file_echoed.take(call.occasion):
                page.shown.append(Shown(prefix, stat.size, stat.mtime, ""))


def page_size(wanted: str | None) -> int:
    """Return how many a page may show. Errors: S3Error 400."""
    if wanted is None:
        return PAGE_KEYS_MAX
    if not wanted.isascii() or not wanted.isdigit():
        raise S3Error(400, "InvalidArgument", "the size of a page is a number")
    return min(int(wanted), PAGE_KEYS_MAX)


def _at(files: Files, path: str) -> Stat | None:
    """Return what is at a path; nothing where no file can be called that."""
    try:
        return files.stat(path)
    except ValueError:
        return None


def _folder(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter or not key.startswith(prefix):
        return None
    rest, found, _ = key[len(prefix) :].partition(delimiter)
    return f"{prefix}{rest}{delimiter}" if found else None


def _fields(call: Call, page: _Page, size: int, going_on: str) -> list[str]:
    query = call.query
    url = query.get("encoding-type") == "url"
    spelled: Callable[[str], str] = (lambda key: quote(key, safe="/-_.~")) if url else str
    fields = [text("Name", call.volume.id), text("Prefix", spelled(query.get("prefix", ""))), text("MaxKeys", size)]
    if "delimiter" in query:
        fields.append(text("Delimiter", spelled(query["delimiter"])))
    if url:
        fields.append(text("EncodingType", "url"))
    fields.append(text("IsTruncated", page.cut))
    if call.operation is Operation.LIST_V2:
        fields.append(text("KeyCount", page.count))
        fields += [text("ContinuationToken", query[name]) for name in ("continuation-token",) if name in query]
        fields += [text("StartAfter", spelled(query[name])) for name in ("start-after",) if name in query]
        fields += [text("NextContinuationToken", going_on)] * page.cut
    else:
        fields.append(text("Marker", spelled(query.get("marker", ""))))
        fields += [text("NextMarker", spelled(going_on))] * (page.cut and "delimiter" in query)
    for one in page.shown:
        fields.append(
            tag(
                "Contents",
                text("Key", spelled(one.key)),
                text("LastModified", iso(one.mtime)),
                text("ETag", f'"{one.etag}"'),
                text("Size", one.size),
                text("StorageClass", "STANDARD"),
            )
        )
    return fields + [tag("CommonPrefixes", text("Prefix", spelled(folder))) for folder in page.folders]


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _key_of(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise S3Error(400, "InvalidArgument", "the continuation token is not one of ours") from error
