"""Who may touch which key: one pure decision, and the only place where keys are made.

A key is ``<prefix>/user_<user id>/…`` under one of four configured prefixes. Only generated ids enter keys that
we make; what people call things are labels and never part of a path. A granted key is plain ASCII of an
allow-list, so that no file system, object store or URL parser can read it as another one: it equals its own
percent-decoded, NFC, NFKC, case-preserved and path-normalised form.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from messages.ids import DatasetId, JobId, ModelId, PredictionId, UserId
from messages.machines import ATTEMPTS_MAX

KEY_CHARS_MAX: Final = 900
"""Characters of a key: S3 allows 1,024 bytes, of which a store keeps some for names of its own."""
SEGMENT_CHARS_MAX: Final = 200
"""Characters between two slashes: file systems allow 255 bytes, and temporary names need a few."""
SEGMENTS_MAX: Final = 32
"""Slashes and one, so that no key is a tower of directories."""
URI_CHARS_MAX: Final = KEY_CHARS_MAX + 300
"""A scheme, a bucket name (63) or volume id, and a key."""

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{0,2}")
_PLACE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
"""Names of buckets, and ids of volumes as their provider takes them."""


class Area(StrEnum):
    """The four parts of a store that belong to users."""

    DATASETS = "datasets"
    MODELS = "models"
    PREDICTIONS = "predictions"
    JOBS = "jobs"


class Reason(StrEnum):
    """Why a key is refused."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    UNICODE = "unicode"
    PERCENT_ENCODED = "percent_encoded"
    BACKSLASH = "backslash"
    ABSOLUTE = "absolute"
    EMPTY_SEGMENT = "empty_segment"
    DOT_SEGMENT = "dot_segment"
    CHARACTER = "character"
    SCHEME = "scheme"
    OTHER_BUCKET = "other_bucket"
    OTHER_PREFIX = "other_prefix"
    OTHER_USER = "other_user"
    NOT_A_FILE = "not_a_file"


class Granted(NamedTuple):
    """The user may touch this key."""

    key: str
    area: Area
    rest: tuple[str, ...]
    """What follows ``user_<id>/``, in segments; never empty."""


class Denied(NamedTuple):
    """The user may not. ``detail`` is fit for logs: it holds nothing of the key itself."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie in a store: four prefixes and the names under which URIs know the store itself.

    Raises ``ValueError`` when a prefix is not a plain path or lies inside another one: then a user's own key
    could be read as a key of another kind.
    """

    datasets: str = "datasets"
    models: str = "models"
    predictions: str = "predictions"
    jobs: str = "jobs"
    bucket: str | None = None
    """Bucket that ``s3://bucket/…`` must name; no such URI is accepted without it."""
    volume: str | None = None
    """Volume that ``runpod://volume/…`` must name; no such URI is accepted without it."""

    def __post_init__(self) -> None:
        prefixes = [tuple(self.prefix(area).split("/")) for area in Area]
        folded = [tuple(part.lower() for part in prefix) for prefix in prefixes]
        for mine, low in zip(prefixes, folded, strict=True):
            if not all(_SEGMENT.fullmatch(part) and len(part) <= 64 for part in mine) or len(mine) > 4:
                raise ValueError(f"storage prefix {'/'.join(mine)!r} must be at most four plain names")
            inside = [other for other in folded if other[: len(low)] == low]
            if len(inside) > 1:
                raise ValueError(f"storage prefix {'/'.join(mine)!r} overlaps another one")
        for place in (self.bucket, self.volume):
            if place is not None and not _PLACE.fullmatch(place):
                raise ValueError(f"{place!r} is not a bucket or volume name")

    def prefix(self, area: Area) -> str:
        """Return the configured prefix of ``area``, without slashes around it."""
        return {
            Area.DATASETS: self.datasets,
            Area.MODELS: self.models,
            Area.PREDICTIONS: self.predictions,
            Area.JOBS: self.jobs,
        }[area]

    def home(self, area: Area, user: UserId) -> str:
        """Return ``<prefix>/user_<id>``, the folder that is the user's own in ``area``."""
        return f"{self.prefix(area)}/user_{user}"

    def dataset_key(self, user: UserId, dataset: DatasetId) -> str:
        """Return where a data set's bytes are."""
        return f"{self.home(Area.DATASETS, user)}/{dataset}/data.csv"

    def incoming_key(self, user: UserId, dataset: DatasetId) -> str:
        """Return where an upload is streamed to before it is looked at."""
        return f"{self.home(Area.DATASETS, user)}/{INCOMING}/{dataset}.csv"

    def question_key(self, user: UserId, dataset: DatasetId) -> str:
        """Return where a request to the inspection program is put while it runs."""
        return f"{self.home(Area.DATASETS, user)}/{INCOMING}/{dataset}.json"

    def model_folder(self, user: UserId, model: ModelId) -> str:
        """Return a model's folder, without a trailing slash."""
        return f"{self.home(Area.MODELS, user)}/{model}"

    def incoming_import_key(self, user: UserId, model: ModelId, end: str) -> str:
        """Return where the package of an older model is streamed to, and what is made of it; ``end`` is the rest."""
        return f"{self.home(Area.MODELS, user)}/{INCOMING}/{model}{'.' if end else ''}{end}"

    def prediction_key(self, user: UserId, prediction: PredictionId) -> str:
        """Return where a prediction's rows are."""
        return f"{self.home(Area.PREDICTIONS, user)}/{prediction}/predictions.csv"

    def incoming_rows_key(self, user: UserId, prediction: PredictionId) -> str:
        """Return where the rows to predict are streamed to."""
        return f"{self.home(Area.PREDICTIONS, user)}/{INCOMING}/{prediction}.csv"

    def job_folder(self, user: UserId, job: JobId, attempt: int) -> str:
        """Return the folder of one attempt, without a trailing slash. Raises ValueError for an impossible attempt."""
        if not 1 <= attempt <= ATTEMPTS_MAX:
            raise ValueError(f"attempt {attempt} is not between 1 and {ATTEMPTS_MAX}")
        return f"{self.home(Area.JOBS, user)}/{job}/{attempt}"


INCOMING: Final = "incoming"
"""Folder for what is being streamed; it can never be an id."""


def decide_access(layout: Layout, user: UserId, text: str) -> Granted | Denied:
    """Decide whether ``user`` may touch what ``text`` names: a key, or a URI of the store the layout describes.

    Never raises. Nothing is decoded or normalised on the way: what would need it is refused.
    """
    key = _key_of(layout, text)
    if isinstance(key, Denied):
        return key
    fault = _character_fault(key) or _shape_fault(key)
    return fault if fault is not None else _ownership(layout, user, key)


def safe_name(name: str) -> bool:
    """Say whether ``name`` may stand as a relative path inside a folder of ours (an artifact, a model file)."""
    return bool(name) and _character_fault(name) is None and _shape_fault(name) is None


def _key_of(layout: Layout, text: str) -> str | Denied:
    if not text:
        return Denied(Reason.EMPTY, "no key was given")
    if len(text) > URI_CHARS_MAX:
        return Denied(Reason.TOO_LONG, f"more than {URI_CHARS_MAX} characters")
    scheme, found, rest = text.partition("://")
    if not found:
        return text
    ours = {"s3": layout.bucket, "runpod": layout.volume}
    if scheme not in ours:
        return Denied(Reason.SCHEME, "only s3:// and runpod:// are known")
    place, _, key = rest.partition("/")
    if ours[scheme] is None or place != ours[scheme]:
        return Denied(Reason.OTHER_BUCKET, "not the bucket or volume of this installation")
    return key or Denied(Reason.EMPTY, "no key after the bucket")


def _character_fault(key: str) -> Denied | None:
    if any(unicodedata.category(char)[0] == "C" for char in key):
        return Denied(Reason.CONTROL_CHARACTER, "control, format or unassigned character")
    if not key.isascii():
        return Denied(Reason.UNICODE, "keys are plain ASCII")
    if _PERCENT.search(key):
        return Denied(Reason.PERCENT_ENCODED, "keys are written as they are, never percent-encoded")
    if "\\" in key:
        return Denied(Reason.BACKSLASH, "backslash")
    return None


def _shape_fault(key: str) -> Denied | None:
    segments = key.split("/")
    if len(key) > KEY_CHARS_MAX or len(segments) > SEGMENTS_MAX:
        return Denied(Reason.TOO_LONG, f"more than {KEY_CHARS_MAX} characters or {SEGMENTS_MAX} parts")
    if key.startswith("/"):
        return Denied(Reason.ABSOLUTE, "absolute path")
    for segment in segments:
        if not segment:
            return Denied(Reason.EMPTY_SEGMENT, "two slashes in a row, or one at the end")
        if segment.strip(".") == "":
            return Denied(Reason.DOT_SEGMENT, "a part made of dots")
        if len(segment) > SEGMENT_CHARS_MAX:
            return Denied(Reason.TOO_LONG, f"a part of more than {SEGMENT_CHARS_MAX} characters")
        if not _SEGMENT.fullmatch(segment):
            return Denied(Reason.CHARACTER, "only letters, digits, '.', '_' and '-', beginning with none of '.-'")
    return None


def _ownership(layout: Layout, user: UserId, key: str) -> Granted | Denied:
    for area in Area:
        prefix = layout.prefix(area) + "/"
        if not key.startswith(prefix):
            continue
        owner, *rest = key[len(prefix) :].split("/")
        if owner != f"user_{user}":
            return Denied(Reason.OTHER_USER, "belongs to another user")
        if not rest:
            return Denied(Reason.NOT_A_FILE, "names a user's folder, not something in it")
        return Granted(key, area, tuple(rest))
    return Denied(Reason.OTHER_PREFIX, "outside the folders of users")
